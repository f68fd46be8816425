"""The build of the book: the committed file is what the sources give, and two sources that disagree stop it."""

from __future__ import annotations

import json
from datetime import date, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import msgspec
import pytest

from farebox.core.errors import PriceError
from farebox.pricing import Book, assemble, compile, overlay, price, upstream  # noqa: A004 - the module is named for what it does
from farebox.pricing.draft import Conflicts, DraftModel, DraftPeriod, DraftProvider, text
from farebox.pricing.rate import Source

HEADER = "[aliases]\n[books]\n"
SAID = 'source = "https://example.org"\nchecked = "2026-11-22"\nconfidence = "documented"\n'


def laid_over(tmp_path, rows, models):
    """The drafts of provider `acme` after the rows were laid over them."""
    path = tmp_path / "overlay.toml"
    path.write_text(HEADER + rows, encoding="utf-8")
    sheet = overlay.load(path)
    drafts = {"acme": DraftProvider(id="acme", models={model.id: model for model in models})}
    sources = overlay.Sources(Source(url="first"))
    overlay.standard(sheet, drafts, sources, Conflicts(strict=True))
    overlay.variants(sheet, drafts, sources, Conflicts(strict=True))
    return drafts["acme"].models


def model(name="m", **rates):
    period = DraftPeriod(rates={unit: Fraction(price) for unit, price in rates.items()})
    return DraftModel(id=name, names={name}, periods=[period])


def test_the_committed_book_is_what_the_sources_give():
    pytest.importorskip("genai_prices")

    assert compile.build() == compile.BOOK.read_bytes()


def test_main_writes_the_book(tmp_path, monkeypatch, capsys):
    pytest.importorskip("genai_prices")
    monkeypatch.setattr(compile, "BOOK", tmp_path / "book.json")

    compile.main()

    assert capsys.readouterr().out.startswith("book.json: ")
    assert Book((tmp_path / "book.json").read_bytes()).hash == Book.default().hash


def test_every_row_of_the_overlay_says_where_it_is_from():
    for source in json.loads(compile.BOOK.read_bytes())["sources"][1:]:
        assert source["url"].startswith("https://")
        assert date.fromisoformat(source["checked"])
        assert source["confidence"] in {"documented", "secondary"}


def test_every_price_of_the_book_can_be_read_and_is_a_whole_pico_dollar_a_token():
    book = Book.default()
    for provider, listed in book._file.providers.items():
        for index in range(len(listed.models)):
            entry = book._entry(provider, index)
            for period in entry.periods:
                for rates in (period, *period.variants.values()):
                    for unit, written in rates.rates.items():
                        assert Fraction(written) >= 0, (provider, entry.id, unit)


def test_two_sources_that_disagree_stop_the_build(tmp_path):
    row = '[[rate]]\nprovider = "acme"\nmodels = ["m"]\nrates = { input = "3" }\n' + SAID

    with pytest.raises(PriceError, match="acme m: input is 2 in one source and 3 in the other: decide"):
        laid_over(tmp_path, row, [model(input=2)])
    with pytest.raises(PriceError, match="input is 2 in one source and 3"):
        laid_over(tmp_path, row + 'replaces = { input = "1" }\n', [model(input=2)])


def test_a_row_that_names_what_it_replaces_wins(tmp_path):
    row = '[[rate]]\nprovider = "acme"\nmodels = ["m"]\nrates = { input = "3" }\nreplaces = { input = "2" }\n' + SAID

    assert laid_over(tmp_path, row, [model(input=2)])["m"].periods[0].rates == {"input": 3}


def test_a_dated_row_splits_the_period(tmp_path):
    row = (
        '[[rate]]\nprovider = "acme"\nmodels = ["m"]\nrates = { input = "3" }\nreplaces = { input = "2" }\n'
        "since = 2026-01-01\nuntil = 2026-02-01\n" + SAID
    )

    periods = laid_over(tmp_path, row, [model(input=2)])["m"].periods

    assert [(period.since, period.rates["input"]) for period in periods] == [
        (None, 2),
        (date(2026, 1, 1), 3),
        (date(2026, 2, 1), 2),
    ]


def test_a_share_is_taken_of_every_token_price(tmp_path):
    row = (
        '[[share]]\nprovider = "acme"\nmodels = ["*", "!other"]\nvariant = "flex"\nshare = "1/2"\nunits = { cache_read = "1" }\n'
        + SAID
    )

    models = laid_over(tmp_path, row, [model(input=2, cache_read=1, output=4, web_search=10), model("other", input=1)])

    assert models["m"].periods[0].variants["flex"].rates == {"input": 1, "cache_read": 1, "output": 2}
    assert models["other"].periods[0].variants == {}


def test_a_ratio_reaches_variants_and_long_prompts(tmp_path):
    rows = (
        f'[[share]]\nprovider = "acme"\nmodels = ["m"]\nvariant = "flex"\nshare = "1/2"\n{SAID}'
        f'[[ratio]]\nprovider = "acme"\nmodels = ["m"]\nunit = "cache_write_12h"\nof = "input"\nshare = "5/2"\n{SAID}'
    )
    given = model(input=2)
    given.periods[0].over = {1000: {"input": Fraction(4)}}

    period = laid_over(tmp_path, rows, [given])["m"].periods[0]

    assert (period.rates["cache_write_12h"], period.over[1000]["cache_write_12h"]) == (5, 10)
    assert period.variants["flex"].rates["cache_write_12h"] == Fraction(5, 2)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ('[[rate]]\nprovider = "acme"\nmodels = ["x*"]\nrates = {}\n', "match no model"),
        ('[[rate]]\nprovider = "nobody"\nmodels = ["m"]\nrates = {}\n', "names provider 'nobody'"),
        ('[[rate]]\nprovider = "acme"\nmodels = ["m"]\nrates = {}\nnew = true\n', "m is not new"),
        ('[[free]]\nprovider = "acme"\nmodels = ["m"]\n', "marked free but has a price"),
        ('[[rate]]\nprovider = "acme"\nmodels = ["m"]\nrates = {}\nprize = 3\n', "unknown field `prize`"),
        ("[[rate]\n", "overlay.toml"),
    ],
)
def test_a_row_that_cannot_be_used_stops_the_build(tmp_path, rows, message):
    with pytest.raises(PriceError, match=message):
        laid_over(tmp_path, rows + SAID, [model(input=2)])


def test_a_new_model_takes_its_names_from_others(tmp_path):
    row = '[[rate]]\nprovider = "acme"\nmodels = ["n"]\nnames = ["n-1"]\nrates = { input = "1" }\nnew = true\n' + SAID
    old = model(input=2)
    old.names = {"m", "n", "n-1"}

    models = laid_over(tmp_path, row, [old])

    assert (models["m"].names, models["n"].names) == ({"m"}, {"n", "n-1"})


class Prices:
    def __init__(self, **prices):
        self.__dict__.update({name: Decimal(value) for name, value in prices.items()})


def source_model(prices, variants=(), match=None):
    return SimpleNamespace(
        id="m",
        match=match or SimpleNamespace(equals="M"),
        context_window=10,
        prices=prices,
        price_variants=list(variants),
    )


def drafted(given):
    provider = SimpleNamespace(id="acme", models=[given], fallback_model_providers=None)
    draft = upstream.providers([provider], date(2026, 11, 22), Conflicts(strict=True))["acme"].models["m"]
    upstream.place_variants(draft)
    return draft


def starting(day):
    return SimpleNamespace(start_date=day)


def test_a_tier_reaches_back_over_the_periods_before_it_was_verified():
    conditional = [
        SimpleNamespace(constraint=None, prices=Prices(input_mtok="4", output_mtok="8")),
        SimpleNamespace(constraint=starting(date(2026, 5, 1)), prices=Prices(input_mtok="2", output_mtok="6")),
    ]
    flex = SimpleNamespace(
        when={"service_tier": "flex"},
        constraint=starting(date(2026, 10, 1)),
        prices=Prices(input_mtok="1", output_mtok="3"),
    )
    uneven = SimpleNamespace(
        when={"processing": "batch"}, constraint=None, prices=Prices(input_mtok="1", output_mtok="5")
    )
    standard = SimpleNamespace(when={"service_tier": "default"}, constraint=None, prices=Prices())

    old, new = drafted(source_model(conditional, [flex, uneven, standard])).periods

    assert new.variants["flex"].rates == {"input": 1, "output": 3}
    assert old.variants["flex"].rates == {"input": 2, "output": 4}
    assert new.variants["batch"].rates == {"input": 1, "output": 5}
    assert "batch" not in old.variants  # no single share: nobody knows what it was
    assert set(new.variants) == {"flex", "batch"}


def test_two_prices_of_one_tier_stop_the_build():
    def fast(name, price):
        return SimpleNamespace(when={"service_tier": name}, constraint=None, prices=Prices(input_mtok=price))

    with pytest.raises(PriceError, match="two prices for priority"):
        drafted(source_model(Prices(input_mtok="1"), [fast("priority", "2"), fast("fast", "3")]))


def test_windows_of_hours_must_be_in_utc():
    def windowed(zone):
        hours = SimpleNamespace(start_time=time(1, tzinfo=zone), end_time=time(4, tzinfo=zone))
        return source_model(
            [
                SimpleNamespace(constraint=None, prices=Prices(input_mtok="1")),
                SimpleNamespace(constraint=hours, prices=Prices(input_mtok="2")),
            ]
        )

    assert set(drafted(windowed(timezone.utc)).periods[0].variants) == {"hours:01:00-04:00"}  # noqa: UP017 - a plain zone
    with pytest.raises(PriceError, match="not in UTC"):
        drafted(windowed(timezone(timedelta(hours=8))))


def test_a_condition_without_words_stops_the_build():
    given = source_model([SimpleNamespace(constraint=SimpleNamespace(moon="full"), prices=Prices(input_mtok="1"))])

    with pytest.raises(PriceError, match="no words for this condition"):
        drafted(given)


def test_float_artefacts_become_whole_pico_dollars_and_unknown_prices_are_named():
    draft = drafted(source_model(Prices(input_mtok="0.041666666666666664", moonlight_mtok="1")))

    assert draft.periods[0].rates == {"input": Fraction(41667, 1_000_000)}
    assert draft.unsupported == ["moonlight_mtok"]


@pytest.mark.parametrize(
    ("clause", "yes", "no"),
    [
        (
            {"starts_with": "alpha-2"},
            ["alpha-2", "alpha-2-20250101", "alpha-2-latest"],
            ["alpha-2-mini", "alpha-20", "xalpha-2"],
        ),
        ({"contains": "alpha"}, ["eu.alpha-v1:0", "a/alpha"], ["alphabet", "betalpha", "alpha-pro"]),
        ({"ends_with": "alpha"}, ["alpha", "x/alpha"], ["alpha-1", "xalpha"]),
        ({"regex": r"^alpha-\d$"}, ["alpha-1"], ["xalpha-1", "alpha-12"]),
        ({"regex": r"-\d$"}, ["alpha-1"], ["alpha"]),
        ({"starts_with": "alpha-"}, ["alpha", "alpha-001"], ["alpha-mini"]),
        ({"starts_with": "alpha-2025"}, ["alpha-20250101"], ["alpha-2024"]),
        ({"starts_with": "alpha.ft-"}, ["alpha.ft-0a1b"], ["alpha-ft"]),
    ],
)
def test_a_prefix_is_followed_up_to_a_version_and_no_further(clause, yes, no):
    draft = drafted(source_model(Prices(input_mtok="1"), match=SimpleNamespace(**clause)))
    data = {
        "format": 1,
        "as_of": "2026-11-22",
        "aliases": {},
        "books": {},
        "reroutes": [],
        "uplifts": [],
        "sources": [{"url": "x"}],
    }
    data["providers"] = {"acme": assemble._provider(DraftProvider(id="acme", models={"m": draft}))}
    book = Book(msgspec.json.encode(data))

    assert [name for name in yes if book.find("acme", name, 0) is None] == []
    assert [name for name in no if book.find("acme", name, 0) is not None] == []


def test_prices_that_no_unit_covers_make_every_cost_partial():
    cost = price(
        {"prompt_tokens": 10},
        provider="perplexity",
        model="sonar-deep-research",
        api="chat.completions",
        at="2026-09-01",
    )

    assert cost.status == "partial"
    assert cost.missing[0] == "output_citation_mtok (the book has no unit for it)"


@pytest.mark.parametrize(
    ("price", "shown"), [("0.00875", "0.00875"), ("10", "10"), ("1/3", "1/3"), ("0", "0"), ("5/2", "2.5")]
)
def test_a_price_is_written_as_the_shortest_decimal(price, shown):
    assert text(Fraction(price)) == shown
