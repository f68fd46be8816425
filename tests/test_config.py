from __future__ import annotations

from pathlib import Path

import pytest

from farebox import config
from farebox.config import Settings, load
from farebox.core.errors import ConfigurationError
from farebox.core.money import Money


def read(directory: Path, environment: dict[str, str] | None = None, **arguments: object) -> Settings:
    return load(arguments, environment=environment or {}, directory=directory)


def test_every_setting_has_a_parser_a_default_and_a_line_of_its_own():
    assert list(config.PARSERS) == list(Settings.__struct_fields__)
    assert load({}, environment={}, directory=Path("/nowhere")) == Settings()


def test_an_argument_is_stronger_than_the_environment_and_that_than_the_file(tmp_path: Path):
    (tmp_path / "farebox.toml").write_text('service = "file"\nbatch_size = 7\nusage_hosts = ["a", "b"]')
    assert read(tmp_path) == Settings(service="file", batch_size=7, usage_hosts=("a", "b"))
    assert read(tmp_path, {"FAREBOX_SERVICE": "env"}).service == "env"
    assert read(tmp_path, {"FAREBOX_SERVICE": "env"}, service="argument").service == "argument"


def test_pyproject_has_a_section_and_farebox_toml_comes_first(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text('[tool.farebox]\nservice = "project"\n')
    assert read(tmp_path).service == "project"
    (tmp_path / "farebox.toml").write_text('service = "own"')
    assert read(tmp_path).service == "own"


def test_a_pyproject_without_a_section_or_broken_is_not_ours(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    assert read(tmp_path) == Settings()
    (tmp_path / "pyproject.toml").write_text("not toml")
    assert read(tmp_path) == Settings()


def test_environment_values_are_read_as_what_they_are(tmp_path: Path):
    settings = read(
        tmp_path,
        {
            "FAREBOX_DISABLED": "1",
            "FAREBOX_THREADS": "off",
            "FAREBOX_USAGE_HOSTS": "a, b,",
            "FAREBOX_FLUSH_INTERVAL": "0.5",
            "FAREBOX_BATCH_SIZE": "10",
            "FAREBOX_WARN_ABOVE": "0.25",
            "FAREBOX_CORPUS": "no setting, left alone",
        },
    )
    assert settings == Settings(
        disabled=True,
        threads=False,
        usage_hosts=("a", "b"),
        warn_above=Money("0.25"),
        flush_interval=0.5,
        batch_size=10,
    )


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("ledger", "", "a non-empty text"),
        ("disabled", "maybe", "true or false"),
        ("service", 3, "a non-empty text"),
        ("durability", "eternal", "one of process, system, memory"),
        ("usage_hosts", 3, "a list of names"),
        ("usage_hosts", [3], "a list of names"),
        ("on_gate_error", "ask", "one of allow, deny"),
        ("budget_store", "redis", "one of sqlite, memory"),
        ("on_unpriced", "ask", "one of deny, allow"),
        ("assumed_output_tokens", 0, "a whole number of at least 1"),
        ("batch_size", "many", "a whole number of at least 1"),
        ("batch_size", True, "a whole number of at least 1"),
        ("flush_interval", "soon", "seconds between"),
        ("flush_interval", 0, "seconds between"),
        ("threads", 2, "true or false"),
        ("warn_above", "dear", "a finite amount of US dollars of at least 0"),
        ("warn_above", -1, "a finite amount of US dollars of at least 0"),
        ("warn_above", True, "a finite amount of US dollars of at least 0"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_remedy(tmp_path: Path, name: str, value: object, remedy: str):
    with pytest.raises(ConfigurationError, match=remedy) as error:
        read(tmp_path, **{name: value})
    assert f"{name}={value!r}" in str(error.value)


def test_a_misspelt_setting_is_named_with_its_place_and_the_likely_one(tmp_path: Path):
    with pytest.raises(TypeError, match="'ledgr' is not a setting: did you mean 'ledger'"):
        read(tmp_path, ledgr="x")
    with pytest.raises(TypeError, match="use one of ledger, disabled"):
        read(tmp_path, zzz=1)
    (tmp_path / "farebox.toml").write_text('ledgr = "x"')
    with pytest.raises(ConfigurationError, match=r"farebox\.toml: 'ledgr' is not a setting: did you mean 'ledger'"):
        read(tmp_path)


def test_a_misspelt_variable_is_warned_of_once_and_others_are_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for _ in range(2):
        read(tmp_path, {"FAREBOX_LEGDER": "x", "FAREBOX_CORPUS": "y"})
    assert caplog.text.count("did you mean FAREBOX_LEDGER?") == 1
    assert "CORPUS" not in caplog.text


def test_a_directory_or_a_table_in_the_way_of_a_settings_file_is_no_setting(tmp_path: Path):
    (tmp_path / "farebox.toml").mkdir()
    (tmp_path / "pyproject.toml").write_text("tool = 3")
    assert read(tmp_path) == Settings()


def test_a_working_directory_that_is_gone_has_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.delenv("FAREBOX_LEDGER")
    assert config.from_process({}) == Settings()


def test_a_broken_file_of_ours_is_named(tmp_path: Path):
    (tmp_path / "farebox.toml").write_text("= broken")
    with pytest.raises(ConfigurationError, match=r"farebox\.toml cannot be read"):
        read(tmp_path)


def test_a_path_may_be_a_path(tmp_path: Path):
    assert read(tmp_path, ledger=tmp_path / "x.db").ledger == str(tmp_path / "x.db")


def test_the_process_is_read_from_its_environment_and_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAREBOX_SERVICE", "here")
    assert config.from_process({}).service == "here"


def test_budgets_and_the_time_zone_are_checked_where_they_are_set(tmp_path: Path):
    (tmp_path / "farebox.toml").write_text('[[budgets]]\nname = "a"\nlimit = 1\nwindow = "year"\n')
    with pytest.raises(
        ConfigurationError, match=r"farebox\.toml: budget 'a': window='year' cannot be used: give 'hour'"
    ):
        read(tmp_path)
    with pytest.raises(ConfigurationError, match="FAREBOX_TIME_ZONE: time_zone='Mars' is no time zone here"):
        read(Path("/nowhere"), {"FAREBOX_TIME_ZONE": "Mars"})
    (row,) = read(Path("/nowhere"), {"FAREBOX_BUDGETS": '[{"name": "a", "limit": "0.50", "window": "24h"}]'}).budgets
    assert (row.name, row.limit, row.window) == ("a", 500_000_000, "24h")
