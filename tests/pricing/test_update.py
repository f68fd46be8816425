"""Updates of the book: what comes from the network is looked at, and on any doubt the old prices stay."""

from __future__ import annotations

import http.server
import json
import threading
from datetime import date, timedelta

import pytest

from farebox.core.errors import PriceError
from farebox.price_settings import PriceSettings
from farebox.pricing import Book, compile, installed, overlay, published, shelf  # noqa: A004 - the module's name
from farebox.pricing import update as updates
from farebox.pricing.assemble import assemble
from farebox.pricing.draft import Conflicts

TODAY = date(2026, 11, 22)
NEWER = (
    b'{"format": 9, "as_of": "2026-11-22", "reroutes": [], "uplifts": [], "sources": [], "aliases": {}, "books": {},'
    b' "providers": {}}'
)
pytestmark = pytest.mark.usefixtures("own_data_directory")


@pytest.fixture
def data(published_rows):
    return json.loads(published_rows)


def model(data, provider, name):
    (found,) = (row for one in data if one["id"] == provider for row in one["models"] if row["id"] == name)
    return found


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "new.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(path)

    return write


def update(source, **more):
    return updates.update(source, today=TODAY, **more)


def test_the_published_data_gives_the_same_book_as_the_package(published_rows):
    book = assemble(
        published.providers(published_rows.encode()),
        overlay.load(compile.OVERLAY),
        name=Book(compile.BOOK.read_bytes()).source(0).url,
        as_of=compile.AS_OF,
        conflicts=Conflicts(strict=True),
    )

    assert book == compile.BOOK.read_bytes()


def test_data_without_news_changes_nothing(data, written, own_data_directory):
    before = installed.current()

    done = update(written(data))

    assert (done.stored, done.added, done.changed, done.quarantined, done.kept) == (None, (), (), (), ())
    assert installed.current() is before
    assert not own_data_directory.exists()


def test_news_is_in_force_at_once_and_in_later_processes(data, written):
    model(data, "openai", "gpt-5-mini")["prices"]["input_mtok"] = 0.3
    openai = next(row for row in data if row["id"] == "openai")
    openai["models"].append(
        {"id": "gpt-99", "match": {"equals": "gpt-99"}, "prices": {"input_mtok": 1, "output_mtok": 2}}
    )

    done = update(written(data))

    assert done.added == (("openai", "gpt-99"),)
    assert ("gpt-5-mini", "input", "0.25", "0.3") in {
        (row.model, row.unit, row.before, row.after) for row in done.changed
    }
    assert shelf.stored() == [done.stored]
    for _ in range(2):
        book = installed.current()
        assert book.hash == done.stored.stem[11:]
        assert book.unit_rates("openai", "gpt-99", 0)["input"] == 10**6
        installed.reset()
    assert update(written(data)).stored is None


def test_a_pinned_book_stays_whatever_was_fetched(data, written):
    model(data, "openai", "gpt-5-mini")["prices"]["input_mtok"] = 0.3
    update(written(data))

    installed.use(PriceSettings(book="bundled"))

    assert installed.current().hash == shelf.hash_of(installed.BUNDLED.read_bytes())


def test_a_price_jump_is_quarantined_until_it_is_accepted(data, written):
    prices = model(data, "groq", "llama-3.3-70b-versatile")["prices"]
    prices["input_mtok"] = 50
    model(data, "openai", "gpt-5-mini")["prices"]["input_mtok"] = 0.26

    done = update(written(data))

    assert {(row.provider, row.model) for row in done.quarantined} == {("groq", "llama-3.3-70b-versatile")}
    assert "llama-3.3-70b-versatile input" in str(done.quarantined[0])
    rates = installed.current().unit_rates("groq", "llama-3.3-70b-versatile", 0)
    assert rates == Book(compile.BOOK.read_bytes()).unit_rates("groq", "llama-3.3-70b-versatile", 0)
    assert installed.current().unit_rates("openai", "gpt-5-mini", 0)["input"] == 260_000

    again = update(written(data), accept=["groq/llama-3.3-70b-versatile"])

    assert again.quarantined == ()
    assert installed.current().unit_rates("groq", "llama-3.3-70b-versatile", 0)["input"] == 50 * 10**6


def test_a_price_that_becomes_nothing_or_comes_from_nothing_is_a_jump(data, written):
    model(data, "openai", "gpt-5-mini")["prices"]["output_mtok"] = 0
    del model(data, "openai", "gpt-5-nano")["prices"]["output_mtok"]

    done = update(written(data))

    assert {"gpt-5-mini", "gpt-5-nano"} <= {row.model for row in done.quarantined}


def test_a_model_that_is_gone_keeps_its_prices_and_names(data, written):
    anthropic = next(row for row in data if row["id"] == "anthropic")
    anthropic["models"] = [row for row in anthropic["models"] if row["id"] != "claude-3-haiku"]
    model(data, "openai", "gpt-5-mini")["prices"]["input_mtok"] = 0.26
    usage = {"provider": "anthropic", "model": "claude-3-haiku-20240307", "at_ns": 0}
    before = Book(compile.BOOK.read_bytes()).unit_rates(**usage)

    done = update(written(data))

    assert done.kept == (("anthropic", "claude-3-haiku", "it is not in the new data"),)
    assert installed.current().unit_rates(**usage) == before


def test_a_whole_provider_that_is_gone_keeps_its_prices_too(data, written):
    gone = next(row for row in data if row["id"] == "avian")
    data.remove(gone)
    model(data, "openai", "gpt-5-mini")["prices"]["input_mtok"] = 0.26

    done = update(written(data))

    assert {name for name, _, _ in done.kept} == {"avian"}
    assert installed.current().unit_rates("avian", gone["models"][0]["id"], 0)


def test_a_price_that_contradicts_the_reviewed_overlay_leaves_that_model_as_it_was(data, written):
    model(data, "openai", "gpt-4o-transcribe")["prices"]["input_audio_mtok"] = 7

    done = update(written(data))

    ((provider, name, why),) = done.kept
    assert (provider, name) == ("openai", "gpt-4o-transcribe")
    assert "2.5" in why
    assert "7" in why
    assert done.stored is None


def test_a_model_that_the_overlay_added_may_appear_in_the_data(data, written):
    new = next(row for row in overlay.load(compile.OVERLAY).rate if row.new and row.variant is None)
    provider = next((row for row in data if row["id"] == new.provider), None)
    if provider is None:
        provider = {"id": new.provider, "models": []}
        data.append(provider)
    provider["models"].append({"id": new.models[0], "match": {"equals": new.models[0]}, "prices": {}})

    assert update(written(data)).quarantined == ()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no price data"),
        (b"<html>Sign in</html>", "no price data"),
        (b"[" * 200_000, "no price data"),
        (b"[]", "a list of providers"),
        (b'["openai"]', "a provider is an object"),
        (b'[{"id": "a", "models": [{"id": "m"}]}]', "match"),
        (b'[{"id": "a", "models": 3}]', "a list of objects"),
        (b'[{"id": "a", "models": []}, {"id": "a", "models": []}]', "a provider twice"),
        (b'[{"id": "a\\u0007", "models": []}]', "no name"),
        (b'[{"id": "a", "fallback_model_providers": "b", "models": []}]', "no list"),
        (b'[{"id": NaN}]', "NaN is no number"),
        (b"{}", "no price book"),
        (NEWER, "upgrade farebox"),
    ],
)
def test_what_is_no_price_data_is_refused_and_the_old_book_stays(written, content, says, own_data_directory):
    before = installed.current().hash

    with pytest.raises(PriceError, match=says):
        update(written(content))

    assert installed.current().hash == before
    assert not own_data_directory.exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"prices": {"input_mtok": -1}}, "is no price"),
        ({"prices": {"input_mtok": "1"}}, "is no price"),
        ({"prices": {"input_mtok": True}}, "is no price"),
        ({"prices": {"input_mtok": 1e300}}, "no price in dollars"),
        ({"prices": {"input_mtok": 1e-300}}, "no price in dollars"),
        ({"prices": {"input_mtok": {"base": 1, "tiers": [{"start": -1, "price": 2}]}}}, "no count of tokens"),
        ({"prices": 3}, "it has no prices"),
        ({"prices": [{"constraint": {"moon": "full"}, "prices": {}}]}, "is not known"),
        ({"prices": [{"constraint": {"start_date": "soon"}, "prices": {}}]}, "soon"),
        ({"price_variants": [{"when": {}, "prices": {}}]}, "cannot be read"),
        ({"match": {"regex": "(a+)+$"}}, "not allowed"),
        ({"match": {"regex": "("}}, "cannot be used"),
        ({"match": {"sounds_like": "x"}}, "not known"),
        ({"match": {"or": [{"and": [{}]}]}}, "cannot be read"),
        ({"id": "x" * 500}, "no name"),
    ],
)
def test_hostile_values_are_refused_by_name(data, written, change, says):
    model(data, "openai", "gpt-5-mini").update(change)

    with pytest.raises(PriceError, match=says):
        update(written(data))


def test_data_that_lost_many_models_is_cut_off_or_old(data, written):
    for provider in data:
        provider["models"] = provider["models"][::2]

    with pytest.raises(PriceError, match=r"lack \d+ of \d+ models .*cut off, or older"):
        update(written(data))


def test_a_book_of_ours_can_be_taken_and_an_older_or_future_one_not(written):
    book = json.loads(installed.BUNDLED.read_bytes())
    book["as_of"] = "2026-11-23"
    book["providers"]["openai"]["models"][0]["context"] = 3
    assert update(written(book)).stored.name.startswith("2026-11-23-")

    for day, says in ((TODAY, "older than those in force"), (TODAY + timedelta(days=9), "still to come")):
        with pytest.raises(PriceError, match=says):
            update(written(book | {"as_of": day.isoformat()}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda book: book["providers"]["openai"]["names"].update(x=10**6), "a name means no model"),
        (lambda book: book["providers"]["openai"]["patterns"].append(["x", 10**6]), "an expression means no model"),
        (lambda book: book["providers"]["openai"]["patterns"].append(["(a+)+$", 0]), "not allowed"),
        (lambda book: book["providers"]["openai"]["models"][0].update(uplifts=[99]), "a factor that is not there"),
        (
            lambda book: book["providers"]["openai"]["models"][0]["periods"][0].update(sources={"input": 999}),
            "a source",
        ),
        (
            lambda book: book["providers"]["openai"]["models"][0]["periods"][0].update(rates={"input": "-1"}),
            "is no price",
        ),
        (
            lambda book: book["providers"]["openai"]["models"][0]["periods"][0].update(rates={"input": "1/0"}),
            "is no price",
        ),
        (lambda book: book["providers"]["openai"]["models"][0]["periods"][0].update(since="soon"), "isoformat"),
        (lambda book: book["providers"]["openai"].update(models=[3]), "no price book"),
    ],
)
def test_a_book_of_ours_is_checked_to_the_last_price(written, change, says):
    book = json.loads(installed.BUNDLED.read_bytes())
    change(book)

    with pytest.raises(PriceError, match=says):
        update(written(book))


class Handler(http.server.BaseHTTPRequestHandler):
    content = b""
    short = 0
    status = 200

    def do_GET(self):
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.content) + self.short))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {}))
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def url(server):
    return f"http://127.0.0.1:{server.server_port}/data.json"


def test_a_url_is_fetched(server, data):
    model(data, "openai", "gpt-5-mini")["prices"]["input_mtok"] = 0.26
    server.RequestHandlerClass.content = json.dumps(data).encode()

    assert update(url(server)).stored


@pytest.mark.parametrize(("short", "status"), [(10, 200), (0, 404), (0, 500)])
def test_an_answer_that_is_cut_off_or_an_error_is_refused(server, published_rows, short, status):
    server.RequestHandlerClass.content = published_rows.encode()
    server.RequestHandlerClass.short = short
    server.RequestHandlerClass.status = status

    with pytest.raises(PriceError, match="cannot be fetched"):
        update(url(server))
    assert shelf.stored() == []


def test_the_proxy_of_the_environment_is_used(server, data, monkeypatch):
    model(data, "openai", "gpt-5-mini")["prices"]["input_mtok"] = 0.26
    server.RequestHandlerClass.content = json.dumps(data).encode()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert update("http://prices.invalid/data.json").stored


@pytest.mark.parametrize("source", ["ftp://example.org/x", "/no/such/file", "http://127.0.0.1:1/x"])
def test_a_source_that_gives_nothing_is_named(source):
    with pytest.raises(PriceError, match=source):
        update(source)


def test_more_than_any_price_data_has_is_not_read(written, monkeypatch):
    monkeypatch.setattr(updates, "LARGEST", 10)
    with pytest.raises(PriceError, match="more than 10 bytes"):
        update(written(b"x" * 11))


def test_a_damaged_stored_book_is_passed_over_and_named(data, written, caplog):
    model(data, "openai", "gpt-5-mini")["prices"]["input_mtok"] = 0.26
    done = update(written(data))
    done.stored.write_bytes(done.stored.read_bytes()[:-100])
    installed.reset()

    assert installed.current().hash == shelf.hash_of(installed.BUNDLED.read_bytes())
    assert "is damaged" in caplog.text


def test_a_book_that_cannot_be_written_leaves_the_old_one(data, written, own_data_directory):
    own_data_directory.write_text("a file stands where the directory should be")
    model(data, "openai", "gpt-5-mini")["prices"]["input_mtok"] = 0.26

    with pytest.raises(PriceError, match="cannot be written"):
        update(written(data))
    assert installed.current().hash == shelf.hash_of(installed.BUNDLED.read_bytes())


def test_only_the_newest_books_are_kept_and_found_by_their_hash(own_data_directory, tmp_path):
    paths = [shelf.store(f"book {number}".encode(), f"2026-11-{number:02}") for number in range(1, 21)]

    kept = shelf.stored()
    assert kept == paths[::-1][: shelf.KEPT]
    assert shelf.find("2026-11-20") == b"book 20"
    assert shelf.find(kept[3].stem[11:]) == b"book 17"
    (tmp_path / "mine.json").write_bytes(b"mine")
    assert shelf.find(str(tmp_path / "mine.json")) == b"mine"
    for wrong, says in (("2026-11", "more than one"), ("zzz", "names no price book"), ("", "names no")):
        with pytest.raises(PriceError, match=says):
            shelf.find(wrong)
    assert [path.name for path in (own_data_directory / "prices").iterdir() if path.name.startswith(".")] == []


def test_a_stored_book_older_than_the_package_is_left_alone(data, written, own_data_directory):
    own = installed.BUNDLED.read_bytes().replace(b'"as_of":"2026-11-22"', b'"as_of":"2026-11-01"')
    shelf.store(own, "2026-11-01")
    installed.reset()

    assert installed.current().hash == shelf.hash_of(installed.BUNDLED.read_bytes())


def test_a_book_that_is_cut_off_while_it_is_written_leaves_nothing_behind(own_data_directory, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(PriceError, match=r"cannot be written \(No space left on device\): the book in force stays"):
        shelf.store(b"book", "2026-11-22")
    assert list((own_data_directory / "prices").iterdir()) == []


def test_a_stored_book_that_vanished_is_named(own_data_directory):
    path = shelf.store(b"book", "2026-11-22")
    path.unlink()

    with pytest.raises(PriceError, match="cannot be read: No such file"):
        shelf.read(path)


def test_a_price_that_is_new_is_no_jump_and_a_change_names_its_day(written):
    book = json.loads(installed.BUNDLED.read_bytes())
    for row in book["providers"]["openai"]["models"]:
        if row["id"] == "gpt-5-mini":
            row["periods"][0]["rates"]["input_audio"] = "9"
            later = json.loads(json.dumps(row["periods"][0]))
            later["rates"]["input"] = "0.3"
            row["periods"].append(later | {"since": "2027-01-01"})

    done = update(written(book | {"as_of": "2026-11-23"}))

    texts = [str(change) for change in done.changed if change.model == "gpt-5-mini"]
    assert "openai/gpt-5-mini input_audio: none -> 9" in texts
    assert "openai/gpt-5-mini input from 2027-01-01 on: 0.25 -> 0.3" in texts
