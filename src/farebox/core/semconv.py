"""The one place for names: OpenTelemetry GenAI words (semantic conventions 1.44) and farebox's own. Imports nothing.

The published `gen_ai.*` constants are deprecated while they move to a repository of their own, so the strings are ours.
"""

from __future__ import annotations

from typing import Final

# --- gen_ai.provider.name: who bills the call. The host decides, not the SDK.
OPENAI: Final = "openai"
AZURE: Final = "azure"
ANTHROPIC: Final = "anthropic"
GOOGLE: Final = "google"
GOOGLE_VERTEX: Final = "google-vertex"
AWS_BEDROCK: Final = "aws-bedrock"

# --- gen_ai.operation.name
CHAT: Final = "chat"
TEXT_COMPLETION: Final = "text_completion"
EMBEDDINGS: Final = "embeddings"
GENERATE_CONTENT: Final = "generate_content"

# --- Interfaces of the providers, as `price(api=...)` takes them.
API_CHAT_COMPLETIONS: Final = "chat.completions"
API_COMPLETIONS: Final = "completions"
API_RESPONSES: Final = "responses"
API_EMBEDDINGS: Final = "embeddings"
API_MESSAGES: Final = "messages"
API_BETA_MESSAGES: Final = "beta.messages"
API_GENERATE_CONTENT: Final = "generateContent"
API_EMBED_CONTENT: Final = "embedContent"

# --- kind: what an event is about
KIND_LLM: Final = "llm"
KIND_OPERATION: Final = "operation"
KIND_CACHE_HIT: Final = "cache_hit"

# --- status: how the call ended
STATUS_OK: Final = "ok"
STATUS_ERROR: Final = "error"
STATUS_CANCELLED: Final = "cancelled"
"""Cancelled or interrupted after it may have been sent: the provider may have billed it."""
STATUS_ABANDONED: Final = "abandoned"
"""A stream that its reader left before the end."""
STATUS_LOST: Final = "lost"
"""In flight when its process died."""
STATUS_REFUSED: Final = "refused"
"""Refused by a budget; nothing was sent."""

# --- cost_status: how sure the cost is
COST_PRICED: Final = "priced"
COST_PROVIDER: Final = "provider"
"""The provider itself stated the money."""
COST_ESTIMATED: Final = "estimated"
"""Usage is missing (cut stream, cancelled call): computed from what was seen."""
COST_PARTIAL: Final = "partial"
"""A dimension had no price; `cost_missing` names it. The cost is a lower bound."""
COST_UNPRICED: Final = "unpriced"
"""No price is known. The cost is NULL, never 0."""

# --- The disjoint billable units of `Usage.units`. Tokens unless said otherwise.
INPUT: Final = "input"
INPUT_AUDIO: Final = "input_audio"
INPUT_IMAGE: Final = "input_image"
INPUT_VIDEO: Final = "input_video"
INPUT_TOOL: Final = "input_tool"
"""Tokens that a hosted tool put into the prompt, counted beside it (Google)."""
CACHE_READ: Final = "cache_read"
CACHE_READ_AUDIO: Final = "cache_read_audio"
CACHE_READ_IMAGE: Final = "cache_read_image"
CACHE_READ_VIDEO: Final = "cache_read_video"
CACHE_WRITE_5M: Final = "cache_write_5m"
CACHE_WRITE_30M: Final = "cache_write_30m"
CACHE_WRITE_1H: Final = "cache_write_1h"
CACHE_WRITE_12H: Final = "cache_write_12h"
OUTPUT: Final = "output"
"""Text out, reasoning included."""
OUTPUT_AUDIO: Final = "output_audio"
OUTPUT_IMAGE: Final = "output_image"
OUTPUT_VIDEO: Final = "output_video"
WEB_SEARCH: Final = "web_search"
"""Calls."""
WEB_SEARCH_PREVIEW: Final = "web_search_preview"
"""Calls."""
FILE_SEARCH: Final = "file_search"
"""Calls."""
GROUNDED_QUERIES: Final = "google_search_queries"
"""Search queries that the provider executed for the answer."""
MAPS_QUERIES: Final = "google_maps_queries"
"""Map queries that the provider executed for the answer."""
CACHE_STORAGE: Final = "cache_storage"
"""Tokens that the provider keeps; billed by the time it keeps them."""
SECONDS: Final = "seconds"
SESSION_SECONDS: Final = "session_seconds"
CHARACTERS: Final = "characters"
IMAGES: Final = "images"

INPUT_UNITS: Final = frozenset({INPUT, INPUT_AUDIO, INPUT_IMAGE, INPUT_VIDEO, INPUT_TOOL})
CACHE_READ_UNITS: Final = frozenset({CACHE_READ, CACHE_READ_AUDIO, CACHE_READ_IMAGE, CACHE_READ_VIDEO})
CACHE_WRITE_UNITS: Final = frozenset({CACHE_WRITE_5M, CACHE_WRITE_30M, CACHE_WRITE_1H, CACHE_WRITE_12H})
OUTPUT_UNITS: Final = frozenset({OUTPUT, OUTPUT_AUDIO, OUTPUT_IMAGE, OUTPUT_VIDEO})
PROMPT_UNITS: Final = INPUT_UNITS | CACHE_READ_UNITS | CACHE_WRITE_UNITS
"""Everything that counts as prompt, for inclusive totals and long-context thresholds."""
TOKEN_UNITS: Final = PROMPT_UNITS | OUTPUT_UNITS
