"""Settings from file, environment and flags make one config; an error is one line that names its source."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestrator.runs.settings import ENV_PREFIX, flag_of, read_symbols, resolve
from schemas.config.bars import IngestConfig
from schemas.config.run import RunConfig
from schemas.config.sources import default_dates
from schemas.contract.errors import RequestError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.toml"


def refusal(flags: dict[str, Any], config: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """The one-line error of a refused request."""
    with pytest.raises(RequestError) as caught:
        resolve(RunConfig, flags, config, environment or {})
    line = str(caught.value)
    assert line and "\n" not in line
    return line


def test_nothing_given_is_the_sample_with_defaults() -> None:
    """Without any setting the config has every default, and the days that the sample's symbols share."""
    config = resolve(RunConfig, {}, None, {})
    assert config == RunConfig(**default_dates("sample"))
    assert (config.source, config.symbols, config.window_days) == ("sample", (), 180)


def test_flag_beats_environment_beats_file(file: Path) -> None:
    """A setting given in all three places has the flag's value, then the environment's, then the file's."""
    file.write_text("horizon = 3\nseed = 3\nmin_rows = 33\n")
    environment = {"GURUKUL_HORIZON": "4", "GURUKUL_SEED": "4"}
    config = resolve(RunConfig, {"horizon": "5"}, file, environment)
    assert (config.horizon, config.seed, config.min_rows) == (5, 4, 33)


# A value of each setting that is not its default, as text and as TOML.
OTHER_VALUES = {
    "symbols": ("AAPL,MSFT", '["AAPL", "MSFT"]'),
    "start_date": ("2005-01-03", "2005-01-03"),
    "end_date": ("2006-01-03", "2006-01-03"),
    "holdout_from": ("2005-12-01", "2005-12-01"),
    "source": ("csv:bars", '"csv:bars"'),
    "interval": ("5minute", '"5minute"'),
    "timezone": ("UTC", '"UTC"'),
    "calendar": ("XNYS", '"XNYS"'),
    "second_source": ("csv:other", '"csv:other"'),
    "secrets_file": ("secrets", '"secrets"'),
    "requests_per_minute": ("60", "60.0"),
    "window_days": ("90", "90"),
    "step_days": ("30", "30"),
    "horizon": ("3", "3"),
    "threshold": ("0.01", "0.01"),
    "label": ("triple-barrier", '"triple-barrier"'),
    "threshold_unit": ("sigma", '"sigma"'),
    "take_profit": ("2", "2"),
    "stop_loss": ("0.5", "0.5"),
    "entry": ("close", '"close"'),
    "label_return": ("net", '"net"'),
    "cross_session": ("true", "true"),
    "keep_jumps": ("true", "true"),
    "embargo": ("0", "0"),
    "plugins": ("/ideas.py", '["/ideas.py"]'),
    "side": ("fii=/fii.csv", '["fii=/fii.csv"]'),
    "universe": ("/members.csv", '"/members.csv"'),
    "features": ("cross-section", '["cross-section"]'),
    "scope": ("panel", '"panel"'),
    "privileged": ("path", '["path"]'),
    "teacher": ("lightgbm", '"lightgbm"'),
    "student": ("booster", '"booster"'),
    "set": ("teacher.max_depth=4,student.ridge=50", '["teacher.max_depth=4", "student.ridge=50"]'),
    "student_scope": ("symbol", '"symbol"'),
    "reward_weights": ("true", "true"),
    "min_rows": ("60", "60"),
    "lookback": ("window", '"window"'),
    "distill_weight": ("0.25", "0.25"),
    "cost_bps": ("8.3", "8.3"),
    "slippage_bps": ("2", "2"),
    "seed": ("7", "7"),
    "study": ("autumn", '"autumn"'),
    "devices": ("cpu:2x4", '"cpu:2x4"'),
    "broker": ("redis://localhost:6379/1", '"redis://localhost:6379/1"'),
    "data_dir": ("elsewhere", '"elsewhere"'),
    "store": ("s3://bucket/prefix", '"s3://bucket/prefix"'),
    "release_dir": ("elsewhere", '"elsewhere"'),
    "log_dir": ("elsewhere", '"elsewhere"'),
    "log_format": ("json", '"json"'),
    "run_id": ("trial-1", '"trial-1"'),
    "skip_fetch": ("true", "true"),
    "reuse": ("true", "true"),
    "telemetry": ("false", "false"),
    "telemetry_buffer": ("7", "7"),
    "telemetry_delay": ("2.5", "2.5"),
    "telemetry_dir": ("elsewhere", '"elsewhere"'),
    "trials_dir": ("state", '"state"'),
    "max_failure_rate": ("0.5", "0.5"),
    "priority": ("2.5", "2.5"),
    "window_limit": ("90", "90"),
    "json_summary": ("true", "true"),
    "costs": ("nse-delivery", '"nse-delivery"'),
    "order_value": ("1000000", "1000000"),
    "trade_band": ("0.2", "0.2"),
    "borrow_bps": ("25.0", "25.0"),
    "impact": ("1", "1"),
    "capital": ("5e6", "5e6"),
    "signing_key": ("key.pem", '"key.pem"'),
    "mlflow": ("http://ml:5000", '"http://ml:5000"'),
}
TABLES_TOO = {"cost_rates", "gates", "second_options"}
FILE_OPTIONS = {
    "columns": ("close=Adj Close, volume=Vol.", '{close = "Adj Close", volume = "Vol."}'),
    "date_format": ("%d/%m/%Y", '"%d/%m/%Y"'),
    "delimiter": ("tab", '"\\t"'),
    "encoding": ("shift-jis", '"shift_jis"'),
    "symbol_from": ("folder", '"folder"'),
    "where": ("SERIES=EQ|BE", '{SERIES = "EQ|BE"}'),
}
NEEDS_MORE = (
    TABLES_TOO
    | {
        "plugged",
        "members",
        "own_gates",
        "own_source",
        "every_symbol",
        "broker_login",
        "side_lag",
        "side_max_age",
        "final",
        "broker_file",
        "symbols_file",
        "local_workers",
        "min_devices",
        "max_devices",
        "corporate_actions",
        "format_file",
        "second_format_file",
    }
    | FILE_OPTIONS.keys()
)
REQUIRED = {"start_date": "2005-01-01", "end_date": "2006-01-01"}


def test_a_final_run_names_the_day_that_was_held_out() -> None:
    """--final alone does not name the days that it opens."""
    with pytest.raises(RequestError, match="--final needs --holdout-from"):
        resolve(RunConfig, REQUIRED | {"final": True}, None, {})
    assert resolve(RunConfig, REQUIRED | {"final": True, "holdout_from": "2005-12-01"}, None, {}).final


def test_every_setting_is_tried_below() -> None:
    """A setting added to RunConfig must be added to these tests."""
    assert set(OTHER_VALUES) | NEEDS_MORE == set(RunConfig.model_fields)


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_each_setting_can_come_from_each_place(name: str, file: Path) -> None:
    """Flag, environment variable and TOML key of a setting all give the same config, another one than the default."""
    text, toml = OTHER_VALUES[name]
    rest = {key: value for key, value in REQUIRED.items() if key != name}
    file.write_text(f"{name} = {toml}\n")
    by_flag = resolve(RunConfig, rest | {name: text}, None, {})
    assert resolve(RunConfig, rest, None, {ENV_PREFIX + name.upper(): text}) == by_flag
    assert resolve(RunConfig, rest, file, {}) == by_flag
    assert getattr(by_flag, name) != RunConfig.model_fields[name].default


@pytest.mark.parametrize("name", FILE_OPTIONS)
def test_file_options_come_from_flags_and_from_files(name: str, file: Path) -> None:
    """Flag, environment, config file and --format-file give the same config; a flag goes before the format file."""
    text, toml = FILE_OPTIONS[name]
    rest = REQUIRED | {"source": "csv:bars"}
    file.write_text(f"{name} = {toml}\n")
    by_flag = resolve(RunConfig, rest | {name: text}, None, {})
    assert getattr(by_flag, name) != getattr(resolve(RunConfig, rest, None, {}), name)
    assert resolve(RunConfig, rest, None, {ENV_PREFIX + name.upper(): text}) == by_flag
    assert resolve(RunConfig, rest, file, {}) == by_flag
    kept = {"format_file": str(file)}
    assert resolve(RunConfig, rest | kept, None, {}).model_copy(update={"format_file": None}) == by_flag
    file.write_text('delimiter = "|"\ncolumns = {open = "x"}\ndate_format = "%Y%m%d"\n')
    assert getattr(resolve(RunConfig, rest | kept | {name: text}, None, {}), name) == getattr(by_flag, name)
    assert f"--{name.replace('_', '-')} is for files" in refusal({name: text})


def test_a_second_source_has_a_format_file_of_its_own(file: Path) -> None:
    """Its options are kept in the config, apart from those of the source; without a second source it is refused."""
    file.write_text('delimiter = ";"\n')
    kept = {"source": "csv:bars", "second_format_file": str(file)}
    found = resolve(RunConfig, REQUIRED | kept | {"second_source": "csv:other"}, None, {})
    assert (found.delimiter, found.second_options.delimiter) == (None, ";")
    assert "--second-source, which is not given" in refusal(REQUIRED | kept)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"columns": "close"}, "is not NAME=VALUE"),
        ({"columns": "price=Close"}, "'price' is not one of"),
        ({"date_format": "%H:%M"}, "does not hold a whole date"),
        ({"delimiter": "ab"}, "does not separate cells"),
        ({"encoding": "utf-nine"}, "is no encoding; write one such as cp1252"),
        ({"symbol_from": "name"}, "must be file, column or folder"),
        ({"where": "SERIES"}, "is not NAME=VALUE"),
    ],
)
def test_file_options_that_cannot_be_used_are_named(options: dict[str, str], words: str) -> None:
    """The flag is named with what it should be."""
    assert words in refusal(options | {"source": "csv:bars"})


def test_a_format_file_holds_only_file_options(file: Path) -> None:
    """Another setting in it is refused, so that one profile serves any run."""
    file.write_text("seed = 7\n")
    assert "seed is not an option of files" in refusal({"source": "csv:bars", "format_file": str(file)})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_a_text(encoding: str, file: Path) -> None:
    """Lists and settings that Windows' Notepad or Excel has saved are read as others are."""
    file.write_text("TCS\r\nINFY # a comment\r\n", encoding=encoding, newline="")
    assert resolve(RunConfig, REQUIRED | {"symbols_file": str(file)}, None, {}).symbols == ("TCS", "INFY")
    file.write_text("seed = 7\n", encoding=encoding)
    assert resolve(RunConfig, REQUIRED, file, {}).seed == 7


def test_tables_come_from_a_file(file: Path) -> None:
    """Bounds of gates and schedules of costs are tables of the config file; a wrong one is named with its place."""
    file.write_text('costs = "config"\n[gates]\nmin_days = 30\n[[cost_rates]]\nsince = 2000-01-01\nexchange_bps = 1\n')
    config = resolve(RunConfig, REQUIRED, file, {})
    assert (config.gates.min_days, config.cost_rates[0].exchange_bps) == (30, 1.0)
    file.write_text("[gates]\nmin_days = 3\n")
    with pytest.raises(RequestError, match=r"gates\.min_days.*at least 20"):
        resolve(RunConfig, REQUIRED, file, {})
    file.write_text('costs = "config"\n')
    with pytest.raises(RequestError, match="go together"):
        resolve(RunConfig, REQUIRED, file, {})


def test_workers_elsewhere_need_a_broker() -> None:
    """Using only workers that are running already is a setting too, and needs a broker."""
    broker = {"broker": "redis://host"}
    assert resolve(RunConfig, {"local_workers": False} | broker, None, {}).local_workers is False
    assert resolve(RunConfig, broker, None, {"GURUKUL_LOCAL_WORKERS": "false"}).local_workers is False
    assert "--broker" in refusal({"local_workers": False})
    assert resolve(RunConfig, {"local_workers": False, "min_devices": "3"} | broker, None, {}).min_devices == 3
    assert "--no-local-workers" in refusal({"min_devices": "3"} | broker)


def test_a_flag_that_was_not_given_overrides_nothing() -> None:
    """None, the command line's value for a missing flag, leaves the environment's value."""
    assert resolve(RunConfig, {"horizon": None}, None, {"GURUKUL_HORIZON": "4"}).horizon == 4


def test_an_empty_variable_counts_as_not_set() -> None:
    """An empty environment variable counts as not set."""
    assert resolve(RunConfig, {}, None, {"GURUKUL_HORIZON": ""}) == resolve(RunConfig, {}, None, {})


def test_other_variables_are_ignored() -> None:
    """Variables without the project's prefix, or that name no setting, change nothing."""
    environment = {"HORIZON": "4", "GURUKUL_NO_SUCH_SETTING": "4", "PATH": "/bin"}
    assert resolve(RunConfig, {}, None, environment) == resolve(RunConfig, {}, None, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("symbols", "GOOD,BA/D"),
        ("symbols", "../up"),
        ("symbols", "A" * 33),
        ("symbols", " , "),
        ("start_date", "2024-13-01"),
        ("start_date", "yesterday"),
        ("end_date", "31/12/2024"),
        ("source", "ftp:bars"),
        ("source", "csv:"),
        ("source", "csv"),
        ("source", "sample:x"),
        ("second_source", "sample"),
        ("requests_per_minute", "0"),
        ("interval", "2minute"),
        ("interval", ""),
        ("window_days", "6"),
        ("window_days", "180.5"),
        ("step_days", "0"),
        ("horizon", "0"),
        ("horizon", "five"),
        ("threshold", "nan"),
        ("threshold", "inf"),
        ("min_rows", "19"),
        ("lookback", "all"),
        ("distill_weight", "1.5"),
        ("cost_bps", "-1"),
        ("slippage_bps", "lots"),
        ("seed", "-1"),
        ("seed", str(2**31)),
        ("devices", "tpu"),
        ("devices", "gpu:0,0"),
        ("devices", "cpu:0x1"),
        ("devices", "cpu:2\nx"),
        ("broker", "http://host"),
        ("run_id", "../up"),
        ("run_id", "a b"),
        ("telemetry", "maybe"),
        ("max_failure_rate", "2"),
    ],
)
def test_a_bad_value_is_refused_with_where_it_came_from(name: str, value: str, file: Path) -> None:
    """Each bad value is one line naming the flag, the variable, or the file and key that gave it."""
    rest = {key: day for key, day in REQUIRED.items() if key != name}
    assert refusal(rest | {name: value}).startswith(flag_of(name))
    variable = ENV_PREFIX + name.upper()
    if value:
        assert refusal(rest, None, {variable: value}).startswith(variable)
    escaped = value.replace("\n", "\\n")
    file.write_text(f'{name} = "{escaped}"\n')
    assert refusal(rest, file).startswith(f"{file}: {name}")


@pytest.mark.parametrize(
    ("name", "toml"),
    [("horizon", "[1]"), ("horizon", "{a = 1}"), ("symbols", "5"), ("symbols", "[5]"), ("start_date", "true")],
)
def test_a_value_of_the_wrong_kind_names_file_and_key(name: str, toml: str, file: Path) -> None:
    """A TOML value of another kind than the setting is one line with the file and the key."""
    file.write_text(f"{name} = {toml}\n")
    assert refusal({}, file).startswith(f"{file}: {name}")


def test_the_bad_value_is_shown() -> None:
    """The line has the value as it was given, so that the user need not look it up."""
    assert "'2024-13-01'" in refusal({"start_date": "2024-13-01"})
    assert "'BA/D'" in refusal({"symbols": "GOOD,BA/D"})
    assert "'nan'" in refusal({"threshold": "nan"})


def test_an_overridden_bad_value_does_no_harm(file: Path) -> None:
    """A bad value in the file does not matter once a flag gives a good one."""
    file.write_text('horizon = "five"\n')
    assert resolve(RunConfig, {"horizon": "5"}, file, {}).horizon == 5


def test_an_unknown_key_is_refused(file: Path) -> None:
    """A TOML key that is no setting is named with the file, not silently dropped."""
    file.write_text("windowdays = 90\n")
    line = refusal({}, file)
    assert str(file) in line and "windowdays" in line


@pytest.mark.parametrize("content", [b"horizon = = 5\n", b"horizon\n", b"\xff\xfe\x00", b"horizon = 5\nhorizon = 6\n"])
def test_a_file_that_is_not_toml_is_refused(content: bytes, file: Path) -> None:
    """A file that cannot be parsed is one line with its name."""
    file.write_bytes(content)
    assert str(file) in refusal({}, file)


def test_a_missing_config_file_is_refused(tmp_path: Path) -> None:
    """A missing config file, or a folder in its place, is one line with its name and the flag."""
    for path in (tmp_path / "none.toml", tmp_path):
        line = refusal({}, path)
        assert str(path) in line and "--config" in line


def test_dates_in_the_wrong_order_are_refused() -> None:
    """A start on or after the end is refused with both dates."""
    for start in ("2012-01-02", "2012-01-01"):
        line = refusal({"start_date": start, "end_date": "2012-01-01"})
        assert start in line and "2012-01-01" in line


def test_dates_are_needed_for_all_sources_but_the_sample() -> None:
    """Only the sample has dates of its own; for another source a missing date names its flag and its variable."""
    line = refusal({"source": "csv:bars", "end_date": "2012-01-01"})
    assert "--start-date" in line and "GURUKUL_START_DATE" in line


def test_one_date_of_the_sample_can_be_given_alone() -> None:
    """A start or end given alone is combined with the sample's other date."""
    config = resolve(RunConfig, {"start_date": "2010-01-01"}, None, {})
    assert (config.start_date, config.end_date) == (date(2010, 1, 1), default_dates("sample")["end_date"])


def test_symbols_keep_their_order_once() -> None:
    """Symbols are split at commas, trimmed, kept in order, and counted once."""
    assert resolve(RunConfig, {"symbols": "M&M, BAJAJ-AUTO,^GSPC,M&M,"}, None, {}).symbols == (
        "M&M",
        "BAJAJ-AUTO",
        "^GSPC",
    )


def test_a_symbols_file_has_one_symbol_per_line(tmp_path: Path) -> None:
    """A symbols file has one symbol per line; blank lines and comments are ignored."""
    listed = tmp_path / "symbols.txt"
    listed.write_text("# large caps\nM&M   # autos\n\nBAJAJ-AUTO\n")
    assert read_symbols(listed) == ["M&M", "BAJAJ-AUTO"]
    assert resolve(RunConfig, {"symbols_file": str(listed)}, None, {}).symbols == ("M&M", "BAJAJ-AUTO")


def test_symbols_and_a_symbols_file_exclude_each_other(tmp_path: Path) -> None:
    """Symbols given both ways are refused, so that neither wins silently."""
    listed = tmp_path / "symbols.txt"
    listed.write_text("IBM\n")
    line = refusal({"symbols": "AAPL", "symbols_file": str(listed)})
    assert "--symbols" in line and "--symbols-file" in line


@pytest.mark.parametrize("content", [b"", b"# nothing\n\n", b"\xff\xfe"])
def test_a_symbols_file_without_symbols_is_refused(content: bytes, tmp_path: Path) -> None:
    """A symbols file that is empty, all comments or not text is one line with its name."""
    listed = tmp_path / "symbols.txt"
    listed.write_bytes(content)
    assert str(listed) in refusal({"symbols_file": str(listed)})


def test_a_missing_symbols_file_is_refused(tmp_path: Path) -> None:
    """A missing symbols file is one line with its name and the flag."""
    line = refusal({"symbols_file": str(tmp_path / "none.txt")})
    assert "none.txt" in line and "--symbols-file" in line


def test_a_bad_symbol_in_a_file_is_named_by_line(tmp_path: Path) -> None:
    """The error names the line of the symbols file, not a flag that was not given."""
    path = tmp_path / "symbols.txt"
    path.write_text("TCS\n# a comment\n../x\n")
    with pytest.raises(RequestError, match=r"symbols.txt line 3: symbol '\.\./x'"):
        resolve(RunConfig, {"symbols_file": str(path)}, None, {})


def test_a_password_is_not_shown() -> None:
    """Nothing of a broker URL that cannot be used is repeated: any part of it may be the password."""
    with pytest.raises(RequestError, match=r"^GURUKUL_BROKER: .*redis://USER:PASSWORD@HOST:PORT/0") as caught:
        resolve(RunConfig, {}, None, {"GURUKUL_BROKER": "http://user:secret@host/0"})
    assert not any(part in str(caught.value) for part in ("user:", "secret", "@host"))


def test_the_broker_comes_from_a_file_unless_a_higher_layer_names_it(tmp_path: Path, file: Path) -> None:
    """`broker` and `broker_file` are one setting: the highest layer wins, and one layer has one of them."""
    secret = tmp_path / "url"
    secret.write_text("redis://:pw@host/0\n")
    secret.chmod(0o600)
    named, other = {"broker_file": str(secret)}, "redis://elsewhere/0"
    file.write_text(f"broker_file = '{secret}'\n")
    assert resolve(RunConfig, {}, file, {}).broker == "redis://:pw@host/0"
    assert resolve(RunConfig, named, None, {"GURUKUL_BROKER": other}).broker == "redis://:pw@host/0"
    config = resolve(RunConfig, {"broker": other}, file, {"GURUKUL_BROKER_FILE": str(secret)})
    assert (config.broker, config.broker_file) == (other, None)
    with pytest.raises(RequestError, match="--broker and --broker-file exclude each other"):
        resolve(RunConfig, named | {"broker": other}, None, {})


def test_one_file_serves_ingest_and_run(file: Path) -> None:
    """A setting that only another command has is ignored; one that no command has is refused."""
    file.write_text('source = "csv:bars"\nhorizon = 5\nincremental = true\n')
    assert resolve(IngestConfig, {}, file, {}).incremental
    assert resolve(RunConfig, REQUIRED, file, {}).horizon == 5
    file.write_text("horizons = 5\n")
    with pytest.raises(RequestError, match="horizons"):
        resolve(IngestConfig, {}, file, {})


def test_ingest_needs_no_dates() -> None:
    """Without dates all that a source has is stored; dates in the wrong order are refused with both."""
    config = resolve(IngestConfig, {"source": "csv:bars"}, None, {})
    assert (config.start_date, config.end_date) == (None, None)
    with pytest.raises(RequestError, match=r"2024-01-02.*2024-01-01"):
        resolve(IngestConfig, {"start_date": "2024-01-02", "end_date": "2024-01-01"}, None, {})


@pytest.mark.parametrize(
    ("flags", "calendar"),
    [
        ({}, "XNYS"),
        ({"source": "csv:bars"}, "NSE"),
        ({"source": "csv:bars", "timezone": "UTC"}, "none"),
        ({"source": "csv:bars", "calendar": "XLON"}, "XLON"),
        ({"calendar": "none"}, "none"),
    ],
)
def test_the_calendar_follows_the_source(flags: dict[str, str], calendar: str) -> None:
    """The sample trades in New York, bars in Kolkata's time on NSE; others have no calendar unless one is named."""
    assert resolve(IngestConfig, flags, None, {}).bars(None, None).calendar == calendar


def test_adjusted_bars_are_not_adjusted_twice(file: Path) -> None:
    """Corporate actions can be given for sources of unadjusted prices, not for the sample."""
    assert "adjusted already" in refusal({"corporate_actions": "actions.csv"})
    file.write_text('source = "csv:bars"\ncorporate_actions = "actions.csv"\n')
    bars = resolve(IngestConfig, {}, file, {}).bars(None, None)
    assert bars.corporate_actions == str(Path("actions.csv").absolute())
