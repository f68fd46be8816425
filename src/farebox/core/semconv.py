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
INVOKE_AGENT: Final = "invoke_agent"
# farebox's own, where OpenTelemetry has no word:
IMAGE_GENERATION: Final = "image_generation"
VIDEO_GENERATION: Final = "video_generation"
SPEECH: Final = "speech"
TRANSCRIPTION: Final = "transcription"
TRANSLATION: Final = "translation"
MODERATION: Final = "moderation"
DECISION: Final = "decision"
REALTIME: Final = "realtime"
CONTEXT_CACHE: Final = "context_cache"
"""Storing a prompt at the provider."""
SEARCH: Final = "search"
FINE_TUNING: Final = "fine_tuning"
EVALUATION: Final = "evaluation"
SANDBOX: Final = "sandbox"
"""A container in which the provider runs code."""
BATCH: Final = "batch"
"""A batch as a whole; once its lines are known, they are billed in its place."""

OPERATIONS: Final = frozenset(
    {
        CHAT,
        TEXT_COMPLETION,
        EMBEDDINGS,
        GENERATE_CONTENT,
        INVOKE_AGENT,
        IMAGE_GENERATION,
        VIDEO_GENERATION,
        SPEECH,
        TRANSCRIPTION,
        TRANSLATION,
        MODERATION,
        DECISION,
        REALTIME,
        CONTEXT_CACHE,
        SEARCH,
        FINE_TUNING,
        EVALUATION,
        SANDBOX,
        BATCH,
    }
)

# --- Interfaces of the providers, as `price(api=...)` takes them.
API_CHAT_COMPLETIONS: Final = "chat.completions"
API_COMPLETIONS: Final = "completions"
API_RESPONSES: Final = "responses"
API_COMPACTION: Final = "responses.compact"
API_EMBEDDINGS: Final = "embeddings"
API_MESSAGES: Final = "messages"
API_BETA_MESSAGES: Final = "beta.messages"
API_GENERATE_CONTENT: Final = "generateContent"
API_EMBED_CONTENT: Final = "embedContent"
API_BEDROCK_CONVERSE: Final = "bedrock converse"
API_BATCHES: Final = "batches"
API_MESSAGE_BATCHES: Final = "messages.batches"
API_CACHED_CONTENTS: Final = "cachedContents"
API_INTERACTIONS: Final = "interactions"
API_IMAGES: Final = "images"
VIDEO_SECONDS: Final = "video_seconds"
"""`images` and `video_seconds` are priced by quality and size where these stand behind them: "images:hd:1024x1024"."""
TRAINED_TOKENS: Final = "trained_tokens"
API_VIDEOS: Final = "videos"
API_SPEECH: Final = "audio.speech"
API_TRANSCRIPTIONS: Final = "audio.transcriptions"
API_TRANSLATIONS: Final = "audio.translations"
API_MODERATIONS: Final = "moderations"
API_DECISIONS: Final = "decisions"
API_RUNS: Final = "threads.runs"
API_REALTIME: Final = "realtime"
API_LIVE: Final = "live"
API_SESSIONS: Final = "managed-agents session"
OPERATION_OF: Final = {
    API_CHAT_COMPLETIONS: CHAT,
    API_COMPLETIONS: TEXT_COMPLETION,
    API_RESPONSES: CHAT,
    API_EMBEDDINGS: EMBEDDINGS,
    API_MESSAGES: CHAT,
    API_BETA_MESSAGES: CHAT,
    API_GENERATE_CONTENT: GENERATE_CONTENT,
    API_EMBED_CONTENT: EMBEDDINGS,
    API_MODERATIONS: MODERATION,
    API_IMAGES: IMAGE_GENERATION,
    API_VIDEOS: VIDEO_GENERATION,
    API_RUNS: INVOKE_AGENT,
}
"""What a line of a batch was, by its interface."""

API_BATCHED: Final = "batch/"
"""Leads the interface of a call that was a line of a batch."""

# --- kind: what an event is about
KIND_LLM: Final = "llm"
KIND_OPERATION: Final = "operation"
KIND_CACHE_HIT: Final = "cache_hit"

# --- how a saving came about
SAVED_ROUTING: Final = "routing"
"""A route took another model than the baseline; the baseline is the same usage on that."""
SAVED_PROMPT_CACHE: Final = "prompt_cache"
"""The provider's own cache; the baseline is the same tokens at the rates of uncached ones."""
SAVED_LOCAL_CACHE: Final = "local_cache"
"""A local or semantic cache answered; the baseline is the call that was not made."""

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
CACHE_TOKEN_SECONDS: Final = "cache_token_seconds"  # noqa: S105 - a unit, no password
"""The same where the time is known: tokens times the seconds that they are kept for."""
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
