"""What every engine of the ledger holds to."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.core.identity import new_id
from farebox.ledger import open_ledger

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
NOON = 1_795_000_000_000_000_000 // DAY * DAY + 12 * HOUR
MEASURES = (
    *("calls", "errors", "unpriced", "estimated", "partial", "input_tokens", "cache_read_tokens"),
    *("cache_write_tokens", "output_tokens", "cost_nano"),
)


def measured(events):
    """The sums that `by` gives, added up here."""
    return {
        "calls": len(events),
        "errors": sum(event.status == "error" for event in events),
        "unpriced": sum(event.cost_status == "unpriced" for event in events),
        "estimated": sum(event.cost_status == "estimated" for event in events),
        "partial": sum(event.cost_status == "partial" for event in events),
        "input_tokens": sum(event.input_tokens or 0 for event in events),
        "cache_read_tokens": sum(event.cache_read_tokens or 0 for event in events),
        "cache_write_tokens": sum(event.cache_write_tokens or 0 for event in events),
        "output_tokens": sum(event.output_tokens or 0 for event in events),
        "cost_nano": sum(event.cost_nano or 0 for event in events),
    }


def put(ledger, *events, journal="j", offset=None):
    put.offset += 1
    return ledger.ingest(events, journal=journal, segment=1, offset=offset or put.offset)


put.offset = 0


def test_an_event_comes_back_as_it_was(ledger, make_event):
    full = make_event(
        parent_id="p",
        duration_ns=5,
        first_chunk_ns=3,
        kind="operation",
        server_address="api.example.com",
        api="chat.completions",
        response_model="gpt-5-mini-2025-08-07",
        response_id="r",
        service="s",
        stream=True,
        status="error",
        error_type="TimeoutError",
        attempts=3,
        cache_read_tokens=1,
        cache_write_tokens=2,
        reasoning_tokens=4,
        units={"input": 7, "seconds": Decimal("1.5"), "characters": Decimal("0.000000001")},
        raw_usage={"prompt_tokens": 7, "nothing": None, "ratio": 0.1, "details": {"a": [1, "é", True]}},
        service_tier="flex",
        batch=True,
        cost_low_nano=1,
        cost_high_nano=2,
        cost_missing=("web_search", "tier"),
        price_book="h",
        tenant_id="t",
        workspace_id="w",
        user_id="u",
        task_type="k",
        chain_id="c",
        session_id="e",
        budget="b",
        tags={"team": "x", "": "y"},
        baseline_model="gpt-5",
        baseline_cost_nano=9,
        route_reason="cheaper",
        trace_id="tr",
        span_id="sp",
    )
    sparse = CallEvent(id=new_id(NOON), started_at=NOON, provider="openai", operation="chat")
    assert put(ledger, full, sparse) == 2
    found = {event.id: event for event in ledger.calls()}
    assert found == {full.id: full, sparse.id: sparse}
    assert type(found[full.id].units["input"]) is int


def test_the_mark_is_where_ingest_left_it_and_what_is_before_it_is_skipped(ledger, make_event):
    assert ledger.mark("j") == (0, 0)
    first, second = make_event(), make_event()
    assert ledger.ingest([first], journal="j", segment=1, offset=100) == 1
    assert ledger.mark("j") == (1, 100)
    assert ledger.ingest([second], journal="j", segment=1, offset=100) == 0
    assert ledger.ingest([second], journal="j", segment=1, offset=50) == 0
    assert ledger.mark("j") == (1, 100)
    assert ledger.mark("other") == (0, 0)
    assert ledger.ingest([second], journal="j", segment=2, offset=1) == 1
    assert ledger.ingest([], journal="j", segment=3, offset=1) == 0
    assert ledger.mark("j") == (3, 1)
    assert ledger.by()[0]["calls"] == 2
    ledger.forget("j")
    assert ledger.mark("j") == (0, 0)
    assert ledger.check() == []


def test_an_event_is_counted_once_however_often_it_comes(ledger, make_event):
    event = make_event()
    assert put(ledger, event, event) == 1
    assert put(ledger, event) == 0
    assert put(ledger, make_event(), event, make_event()) == 2
    assert ledger.by()[0]["calls"] == 3
    assert ledger.check() == []


def test_a_late_event_wins_over_a_lost_one_and_never_the_reverse(ledger, make_event):
    real = make_event(tenant_id="acme")
    lost = msgspec.structs.replace(real, status="lost", cost_status="estimated", cost_nano=7, output_tokens=None)
    assert put(ledger, lost) == 1
    assert [(row["tenant_id"], row["estimated"], row["cost_nano"]) for row in ledger.by("tenant_id")] == [
        ("acme", 1, 7)
    ]
    assert put(ledger, real) == 1
    assert list(ledger.calls()) == [real]
    assert put(ledger, lost) == 0
    assert list(ledger.calls()) == [real]
    assert [row["status"] for row in ledger.by("status")] == ["ok"]
    assert ledger.check() == []


def test_in_one_batch_too_the_late_event_wins(ledger, make_event):
    real = make_event()
    lost = msgspec.structs.replace(real, status="lost", cost_status="estimated")
    put(ledger, lost, real)
    put(ledger, lost)
    assert list(ledger.calls()) == [real]
    assert ledger.check() == []


def test_a_changed_event_moves_the_sums_by_the_difference(ledger, make_event):
    event = make_event(task_type="a", cost_nano=None, cost_status="unpriced")
    put(ledger, event, make_event(task_type="a"))
    priced = msgspec.structs.replace(event, cost_nano=50, cost_status="priced", task_type="b", provider="azure")
    assert put(ledger, priced) == 1
    assert {row["task_type"]: row["cost_nano"] for row in ledger.by("task_type")} == {"a": 900_000, "b": 50}
    assert {row["provider"]: row["calls"] for row in ledger.by("provider")} == {"openai": 1, "azure": 1}
    assert ledger.by()[0]["unpriced"] == 0
    assert ledger.check() == []


def test_counts_that_no_database_holds_are_unknown_and_the_event_is_kept(ledger, make_event):
    wild = make_event(input_tokens=2**63, cost_nano=2**70, started_at=2**65, attempts=2**64)
    event = make_event()
    assert put(ledger, wild, event) == 2
    found = {one.id: one for one in ledger.calls()}
    assert (found[wild.id].input_tokens, found[wild.id].cost_nano, found[wild.id].cost_status) == (
        None,
        None,
        "unpriced",
    )
    assert found[event.id] == event
    assert ledger.check() == []


def test_groups_come_dearest_first_and_nothing_said_is_none(ledger, make_event):
    put(
        ledger,
        make_event(task_type="cheap", cost_nano=1),
        make_event(task_type="dear", cost_nano=500),
        make_event(cost_nano=20),
    )
    assert [(row["task_type"], row["cost_nano"]) for row in ledger.by("task_type")] == [
        ("dear", 500),
        (None, 20),
        ("cheap", 1),
    ]
    assert set(ledger.by("task_type")[0]) == {"task_type", *MEASURES}
    assert ledger.by("task_type", where={"task_type": None})[0]["cost_nano"] == 20
    assert ledger.by("provider", where={"task_type": "dear", "provider": "openai"})[0]["cost_nano"] == 500


def test_no_calls_are_no_groups_and_a_total_of_zeros(ledger):
    assert ledger.by("model") == []
    assert ledger.by() == [dict.fromkeys(MEASURES, 0)]
    assert list(ledger.calls()) == []


def test_days_and_hours_are_utc_texts(ledger, make_event):
    put(ledger, make_event(started_at=NOON - 1), make_event(started_at=NOON), make_event(started_at=NOON + 12 * HOUR))
    assert sorted(row["hour"][11:] for row in ledger.by("hour")) == ["00:00:00Z", "11:00:00Z", "12:00:00Z"]
    days = {row["day"]: row["calls"] for row in ledger.by("day")}
    assert sorted(days.values()) == [1, 2]
    first = min(days)
    assert ledger.by("model", where={"day": first})[0]["calls"] == 2
    assert ledger.by("tenant_id", where={"day": first})[0]["calls"] == 2


def test_models_go_by_what_was_asked_for_or_else_what_answered(ledger, make_event):
    put(
        ledger,
        make_event(request_model="a", response_model="a-2025"),
        make_event(request_model=None, response_model="b-2025"),
        make_event(request_model=None),
    )
    assert {row["model"] for row in ledger.by("model")} == {"a", "b-2025", None}
    assert {row["response_model"] for row in ledger.by("response_model")} == {"a-2025", "b-2025", None}


def test_tags_are_dimensions(ledger, make_event):
    put(ledger, make_event(tags={"team": "x"}), make_event(tags={"team": "y", 'q"': "z"}), make_event())
    assert {row["tag:team"]: row["calls"] for row in ledger.by("tag:team")} == {"x": 1, "y": 1, None: 1}
    assert ledger.by(where={"tag:team": "y"})[0]["calls"] == 1


@pytest.mark.parametrize("name", ["colour", "calls; DROP TABLE calls", "tag:", 'tag:"', "started_at"])
def test_an_unknown_dimension_is_refused_and_the_known_ones_are_named(ledger, name):
    with pytest.raises(ConfigurationError, match="use one of model"):
        ledger.by(name)
    with pytest.raises(ConfigurationError, match="use one of model"):
        ledger.by(where={name: "x"})
    with pytest.raises(ConfigurationError, match="use one of model"):
        list(ledger.calls(where={name: "x"}))


HOSTILE = (
    "x' OR '1'='1",
    "x'; DROP TABLE calls; --",
    'x" OR ""="',
    "%",
    "_",
    "\\",
    "$.team",
    ":value0",
    "?",
    "{0}",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_values_are_never_part_of_the_question(ledger, make_event, text):
    names = {"tenant_id": text, "task_type": text, "user_id": text, "request_model": text}
    hostile = make_event(**names, tags={"team": text}, duration_ns=5)
    put(ledger, hostile, make_event(tags={"team": "x"}, duration_ns=5), make_event(tenant_id="x", duration_ns=5))
    for name, value in (*names.items(), ("model", text), ("tag:team", text)):
        where = {name: value}
        assert ledger.summary(where=where).calls == 1
        assert [row["calls"] for row in ledger.by(name, where=where)] == [1]
        assert [(point.group, point.calls) for point in ledger.series("day", name, where=where)] == [({name: text}, 1)]
        assert [(one.group, one.calls) for one in ledger.percentiles(name, where=where)] == [({name: text}, 1)]
        assert list(ledger.calls(where=where)) == [hostile]
    assert ledger.summary().calls == 3


@pytest.mark.parametrize("tag", ["a b", "a.b", "a'b", "a:b", "$", "a;--", "é", "[0]", "a\\b"])
def test_tags_of_any_name_are_dimensions(ledger, make_event, tag):
    put(ledger, make_event(tags={tag: "1"}), make_event(tags={"other": "2"}))
    assert {row[f"tag:{tag}"]: row["calls"] for row in ledger.by(f"tag:{tag}")} == {"1": 1, None: 1}
    assert len(list(ledger.calls(where={f"tag:{tag}": "1"}))) == 1


def test_calls_come_newest_first_page_by_page(ledger, make_event):
    events = [make_event(started_at=NOON + number // 3 * 1_000_000_000) for number in range(2500)]
    put(ledger, *events)
    expected = sorted(events, key=lambda event: (event.started_at, event.id), reverse=True)
    assert list(ledger.calls()) == expected
    assert list(ledger.calls(limit=1200)) == expected[:1200]
    assert list(ledger.calls(limit=0)) == []
    middle = expected[1000].started_at
    assert list(ledger.calls(since=middle)) == [event for event in expected if event.started_at >= middle]
    assert list(ledger.calls(until=middle, limit=2)) == [event for event in expected if event.started_at < middle][:2]
    assert [event.id for event in ledger.calls(where={"id": events[7].id})] == [events[7].id]


def test_calls_started_long_before_their_ids_were_made_are_found_by_their_time(ledger, make_event):
    late_ids = [make_event(started_at=NOON + 5 * DAY), make_event(started_at=NOON + 6 * DAY)]
    imported = [
        msgspec.structs.replace(event, started_at=NOON - number * HOUR) for number, event in enumerate(late_ids)
    ]
    usual = make_event(started_at=NOON + DAY)
    put(ledger, usual, *imported)
    assert list(ledger.calls()) == [usual, *imported]
    assert list(ledger.calls(until=NOON + 1)) == imported
    assert ledger.by("user_id", since=NOON - 2 * HOUR, until=NOON)[0]["calls"] == 1
    assert ledger.check() == []


def test_a_checkpoint_makes_it_safe(ledger, make_event):
    put(ledger, make_event())
    assert ledger.checkpoint() is True


names = st.sampled_from([None, "", "a", "b", "é"])
counts = st.none() | st.integers(0, 10**12)
events = st.lists(
    st.builds(
        lambda at, number, fields: CallEvent(id=f"{number:036d}", started_at=NOON + at, **fields),
        st.integers(-2 * DAY, 2 * DAY),
        st.integers(0, 30),
        st.fixed_dictionaries(
            {
                "provider": st.sampled_from(["openai", "anthropic"]),
                "operation": st.sampled_from(["chat", "embeddings"]),
                "kind": st.sampled_from(["llm", "llm", "cache_hit"]),
                "status": st.sampled_from(["ok", "error", "lost"]),
                "cost_status": st.sampled_from(["priced", "unpriced", "estimated", "partial"]),
                "request_model": names,
                "response_model": names,
                "tenant_id": names,
                "task_type": names,
                "user_id": names,
                "input_tokens": counts,
                "output_tokens": counts,
                "cost_nano": counts,
            }
        ),
    ),
    max_size=25,
)
moments = (
    st.none()
    | st.integers(-2 * DAY, 2 * DAY).map(lambda at: NOON + at)
    | st.sampled_from([NOON, NOON - 12 * HOUR, NOON + DAY])
)


def kept(batches):
    """What the ledger should hold after these batches, by the rule that the surer telling stands, of equal ones the later."""
    held = {}
    for event in (event for batch in batches for event in batch):
        before = held.get(event.id)
        if before is None or event.certainty >= before.certainty:
            held[event.id] = event
    return list(held.values())


def value(event, dimension):
    if dimension == "model":
        return event.request_model or event.response_model or None
    if dimension in ("day", "hour"):
        step = DAY if dimension == "day" else HOUR
        return event.started_at // step
    return getattr(event, dimension) or None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    batches=st.lists(events, max_size=4),
    dimensions=st.lists(
        st.sampled_from(
            ["model", "provider", "operation", "status", "kind", "tenant_id", "task_type", "day", "hour", "user_id"]
        ),
        unique=True,
        max_size=3,
    ),
    since=moments,
    until=moments,
)
def test_sums_are_the_same_from_rollups_as_from_events(new_place, batches, dimensions, since, until):
    with closing(open_ledger(new_place())) as ledger:
        for batch in batches:
            put(ledger, *batch)
        assert ledger.check() == []
        chosen = [
            event
            for event in kept(batches)
            if (since is None or event.started_at >= since) and (until is None or event.started_at < until)
        ]
        # What a local cache answered is no call, unless kinds are asked for.
        counted = [event for event in chosen if event.kind != "cache_hit" or "kind" in dimensions]
        groups = {}
        for event in counted:
            groups.setdefault(tuple(value(event, name) for name in dimensions), []).append(event)
        found = ledger.by(*dimensions, since=since, until=until)
        texts = {"day", "hour"} & set(dimensions)
        if not dimensions:
            assert found == [measured(counted)]
        elif not texts:
            assert {tuple(row[name] for name in dimensions): {m: row[m] for m in MEASURES} for row in found} == {
                key: measured(group) for key, group in groups.items()
            }
        assert sorted((row["calls"], row["cost_nano"]) for row in found) == sorted(
            (len(group), measured(group)["cost_nano"]) for group in (groups.values() if dimensions else [counted])
        )
        assert [row["cost_nano"] for row in found] == sorted((row["cost_nano"] for row in found), reverse=True)
        assert sorted(event.id for event in ledger.calls(since=since, until=until)) == sorted(
            event.id for event in chosen
        )
