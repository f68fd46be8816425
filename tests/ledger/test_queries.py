"""Which rows answer a question: whole days, with little of days and hours at the ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farebox.ledger import queries, schema
from farebox.ledger.queries import Window
from farebox.ledger.schema import DAY_NS, HOUR_NS

moments = st.integers(1_790_000_000 * 10**9, 1_799_000_000 * 10**9)


@given(since=moments, length=st.integers(2 * DAY_NS, 90 * DAY_NS))
def test_the_ends_of_a_window_read_at_most_half_a_day_of_hours_and_half_an_hour_of_calls(since, length):
    window = Window(since, since + length, 0)
    parts = queries._parts({"tenant_id"}, window, schema.FAMILIES, taking=True)
    assert sum((part.until - part.since) * (-1 if part.taken else 1) for part in parts) == length
    most = {"tenants_by_day": length + 2 * DAY_NS, "tenant_tasks_by_hour": DAY_NS // 2 + HOUR_NS, "calls": HOUR_NS // 2}
    for part in parts:
        assert 0 < part.until - part.since <= most[part.table]
    assert len(parts) <= 5


@given(since=moments, length=st.integers(2 * DAY_NS, 90 * DAY_NS))
def test_histograms_are_only_added(since, length):
    parts = queries._parts({"model"}, Window(since, since + length, 0), (schema.LATENCY,), taking=False)
    assert not any(part.taken for part in parts)
    assert sum(part.until - part.since for part in parts) == length


def test_what_is_taken_off_whole_leaves_no_group(tmp_path, make_event):
    from farebox.ledger.sqlite import SQLiteLedger

    day = 1_795_046_400 * 10**9 // DAY_NS * DAY_NS
    with SQLiteLedger(tmp_path / "x.db") as ledger:
        before = make_event(started_at=day + HOUR_NS, tenant_id="early", cost_nano=1)
        inside = make_event(started_at=day + 30 * HOUR_NS, tenant_id="inside", cost_nano=2)
        after = make_event(started_at=day + 2 * DAY_NS + 23 * HOUR_NS + 1, tenant_id="late", cost_nano=4)
        ledger.ingest([before, inside, after], journal="j", segment=1, offset=1)
        window = {"since": day + 2 * HOUR_NS + 1, "until": day + 2 * DAY_NS + 23 * HOUR_NS}
        assert [(row["tenant_id"], row["calls"]) for row in ledger.by("tenant_id", **window)] == [("inside", 1)]
        assert [point.start for point in ledger.series("day", **window)] == [day + DAY_NS]
        assert ledger.summary(**window).cost_nano == 2


@given(value=st.text(min_size=3), tag=st.text(st.characters(exclude_characters='"'), min_size=3), at=moments)
def test_no_value_and_no_name_of_a_tag_is_spliced_into_sql(value, tag, at):
    value, tag, window = f"<{value}>", f"<{tag}>", Window(at, at + 1, 0)
    where = {"tenant_id": value, f"tag:{tag}": value}
    asked = [
        queries.grouped((f"tag:{tag}", "tenant_id"), window, where),
        queries.series("day", (f"tag:{tag}",), window, where),
        queries.histograms("duration", (f"tag:{tag}",), window, where),
        queries.units((f"tag:{tag}",), window, where),
        queries.newest(window, where, 5, (at, value)),
        queries.dearest(window, where, 5),
    ]
    for query in asked:
        assert value not in query.sql
        assert tag not in query.sql
        assert str(at) not in query.sql
        assert value in query.parameters.values()
