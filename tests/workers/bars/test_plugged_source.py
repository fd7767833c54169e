"""Bars that a function of a plug-in reads, for `--source plugin:NAME`."""

from pathlib import Path

import pytest

from schemas.config.bars import IngestConfig
from schemas.config.sources import absolute_source, own_source, split_source
from schemas.contract.errors import DataError, RequestError
from schemas.contract.folders import paths_read
from schemas.contract.plugin_source import PLUGINS_ENV
from tests.conftest import command
from workers.bars.sources.plugged import PluggedSource
from workers.bars.sources.registry import open_folder

HEAD = "import gurukul as gk\nimport pandas as pd\n\n"
FRAME = """
def frame(first, count=700, **index):
    days = pd.date_range(first, periods=count, **{"freq": "B"} | index)
    close = pd.Series(range(100, 100 + count), index=days, dtype=float)
    return pd.DataFrame({"volume": 1.0, "open": close, "high": close + 1, "low": close - 1, "close": close})
"""


def opened(
    path: Path, code: str, patch: pytest.MonkeyPatch, source: str = "mine", interval: str = "1day"
) -> PluggedSource:
    """The source of a plug-in with this code."""
    path.write_text(HEAD + FRAME + code)
    patch.setenv(PLUGINS_ENV, str(path))
    found = open_folder(f"plugin:{source}", interval, "Asia/Kolkata")  # type: ignore[arg-type]
    assert isinstance(found, PluggedSource)
    return found


def test_its_form_is_a_name_and_an_argument_and_no_folder(tmp_path: Path) -> None:
    """The argument is passed on as it is written; no worker must be allowed a folder for it."""
    assert split_source("plugin:mine:a:b")[1] == "mine:a:b"
    assert (own_source("plugin:mine:a"), own_source("csv:mine")) == ("mine", "")
    assert absolute_source("plugin:mine:a/b") == "plugin:mine:a/b"
    config = IngestConfig(source="plugin:mine:/etc", plugins=("ideas.py",))
    assert paths_read(config.bars(None, None)) == ()
    for wrong in ("plugin", "plugin:", "plugin:a-b"):
        with pytest.raises(ValueError, match="plugin:NAME"):
            split_source(wrong)
    with pytest.raises(ValueError, match="needs --plugins FILE, which defines the source mine"):
        IngestConfig(source="plugin:mine")


def test_its_bars_are_dated_as_those_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The day of a daily bar is the one that is written, in whatever zone; a shorter bar begins at its instant."""
    code = """
@gk.source(symbols=lambda argument: argument.split("+"), intervals=["1day", "5minute"], adjusted=True)
def mine(symbol, interval, argument):
    index = {"freq": "5min"} if interval == "5minute" else {}
    return frame("2024-01-01", 3, **index, **({"tz": "UTC"} if symbol == "UTC" else {}))
"""
    source = opened(tmp_path / "ideas.py", code, monkeypatch, "mine:UTC+OWN")
    assert source.symbols() == ["OWN", "UTC"]
    own, utc = source.read("OWN"), source.read("UTC")
    midnight = 1_704_067_200 * 10**6
    assert own.timestamp[0] == midnight - 19_800 * 10**6
    assert utc.timestamp[0] == own.timestamp[0]
    short = opened(tmp_path / "ideas.py", code, monkeypatch, "mine:UTC+OWN", "5minute")
    assert short.read("UTC").timestamp.tolist() == [midnight + 300 * 10**6 * n for n in range(3)]
    assert short.read("OWN").timestamp[0] == own.timestamp[0]
    assert own.values["close"].tolist() == [100.0, 101.0, 102.0] and own.adjusted
    assert own.locate(1) == "source mine of OWN row 2"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('no network')", "line {line}: ValueError: no network (in source mine of A)"),
        ("sys.exit(1)", "line {line}: NameError"),
        ("return frame('2024-01-01').drop(columns='low')", "source mine of A lacks low; its columns are volume, open"),
        ("return frame('2024-01-01').reset_index()", "is no DataFrame with a DatetimeIndex"),
        ("return [1, 2]", "is no DataFrame with a DatetimeIndex"),
        ("return frame('2024-01-01').assign(close='x')", "ValueError: could not convert string to float"),
        ("return frame('2024-01-01').set_index(pd.DatetimeIndex([pd.NaT] * 700))", "ValueError: a bar has no time"),
    ],
)
def test_what_it_does_wrong_names_the_user_s_file(
    body: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error is a DataError, which rejects the symbol."""
    code = f"\n@gk.source(symbols=['A'])\ndef mine(symbol):\n    {body}\n"
    source = opened(tmp_path / "ideas.py", code, monkeypatch)
    line = (HEAD + FRAME + code).splitlines().index(f"    {body}") + 1
    with pytest.raises(DataError) as error:
        source.read("A")
    assert str(tmp_path / "ideas.py") in str(error.value) and words.format(line=line) in str(error.value)


def test_a_call_that_hangs_ends_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that read bars have no limit of time of their own."""
    monkeypatch.setattr("workers.bars.sources.plugged.READ_WITHIN_S", 0.05)
    code = "\n@gk.source(symbols=['A'])\ndef mine(symbol):\n    while True:\n        pass\n"
    with pytest.raises(
        DataError, match=r"ideas.py line \d+: TimeoutError: it took over 0.05 s \(in source mine of A\)"
    ):
        opened(tmp_path / "ideas.py", code, monkeypatch).read("A")


def test_symbols_are_a_list_of_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that fails, and one that returns something else, name the file."""
    for name, listed, words in (
        ("a", "lambda: 1 / 0", "ZeroDivisionError"),
        ("b", "lambda: 'A'", "return a list"),
        ("c", "[]", "no symbols"),
    ):
        code = f"\n@gk.source(symbols={listed})\ndef mine(symbol):\n    pass\n"
        with pytest.raises(DataError, match=words):
            opened(tmp_path / f"{name}.py", code, monkeypatch).symbols()


def test_an_interval_that_it_lacks_and_another_process_s_source_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the remedy."""
    code = "\n@gk.source(symbols=['A'], intervals=['1day', '5minute'])\ndef mine(symbol):\n    pass\n"
    with pytest.raises(RequestError, match="has no 1minute bars; use --interval 1day or 5minute"):
        opened(tmp_path / "a.py", code, monkeypatch, interval="1minute")
    with pytest.raises(RequestError, match="no plug-in of this process defines a source other; give --plugins"):
        opened(tmp_path / "b.py", code, monkeypatch, "other")


def test_ingest_and_check_read_it(tmp_path: Path) -> None:
    """By the same checks as files; a plug-in that does not define it, and one for nothing, are refused."""
    code = "\n@gk.source(symbols=['A'], adjusted=True)\ndef mine(symbol):\n    return frame('2022-06-01')\n"
    code += "\n@gk.feature(warmup=0)\ndef body(bars):\n    return bars['close'] - bars['open']\n"
    (tmp_path / "ideas.py").write_text(HEAD + FRAME + code)
    plugins = ("--plugins", "ideas.py")
    found = command("ingest", "--source", "plugin:mine", *plugins, "--validate-only", "--json", cwd=tmp_path)
    assert found.returncode == 0 and '"adjusted": true' in found.stdout and '"bars": 700' in found.stdout
    checked = command("check", "ideas.py", "--source", "plugin:mine", cwd=tmp_path)
    assert checked.returncode == 0 and "1 accepted, 0 refused, on 700 bars of 1 symbol" in checked.stdout
    listed = command("features", *plugins, cwd=tmp_path).stdout.splitlines()[-1]
    assert listed.split() == ["plugin:mine", "adjusted", "ideas.py"]
    for arguments, words in (
        (("plugin:other", *plugins), "no plug-in defines a source other; they define mine"),
        (("sample", *plugins), "add --source plugin:NAME, or leave out --plugins"),
        (("plugin:mine", *plugins, "--corporate-actions", "a.csv"), "are adjusted already"),
    ):
        refused = command("ingest", "--source", *arguments, "--validate-only", cwd=tmp_path)
        assert refused.returncode == 2 and words in refused.stderr, refused
