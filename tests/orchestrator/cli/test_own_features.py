"""`orchestrator new`, `check` and `features`."""

import json
from pathlib import Path

import pyarrow.parquet as pq

from tests.conftest import Finished, command

AHEAD = """
import gurukul as gk


@gk.feature(warmup=1)
def ahead(bars):
    return bars["close"].shift(-1) / bars["close"]


@gk.label(horizon=3)
def up(bars):
    return bars["close"].shift(-3) > bars["close"]
"""

PANEL = """
import gurukul as gk


@gk.feature(warmup=1, panel=True)
def move(bars):
    return bars["close"] / bars["open"] - 1
"""
SAMPLE = ("AAPL", "FB", "GOOG", "IBM", "MSFT", "^GSPC")


def test_the_example_is_accepted_on_the_sample(tmp_path: Path) -> None:
    """What `new` writes passes `check`, and `features` lists it; a second `new` overwrites nothing."""
    assert command("new", "ideas.py", cwd=tmp_path).returncode == 0
    words = ("check", "ideas.py", "--source", "sample", "--symbols", "IBM", "--json")
    result = command(*words, cwd=tmp_path)
    found = json.loads(result.stdout)
    assert result.returncode == 0 and found["symbols"] == ["IBM"] and found["bars"] > 3_000
    assert [each["name"] for each in found["checks"]] == [
        "gap_to_high",
        "week_before",
        "beside_market",
        "new_high",
        "above_mean",
    ]
    assert [(each["name"], each["parameters"], each["fault"]) for each in found["models"]] == [
        ("Centres", {"temper": 10.0}, "")
    ]
    listed = command("features", "--plugins", "ideas.py", "--json", cwd=tmp_path)
    assert {"rsi_14", "gap_to_high"} <= {each["name"] for each in json.loads(listed.stdout)["features"]}
    labels = [(each["name"], each["horizon_bars"], each["panel"]) for each in json.loads(listed.stdout)["labels"]]
    assert labels == [("new_high", 10, False), ("above_mean", 10, True)]
    columns = command("features", "minimal,rank_gap_to_high", "--plugins", "ideas.py", cwd=tmp_path)
    assert columns.stdout.split()[-2:] == ["volume_z_20", "rank_gap_to_high"]
    again = command("new", "ideas.py", cwd=tmp_path)
    assert again.returncode == 2 and "exists already" in again.stderr


def test_a_feature_that_reads_ahead_is_refused(tmp_path: Path) -> None:
    """Exit code 3, and one line with the bar and both values; the file of --config may name the source."""
    (tmp_path / "ideas.py").write_text(AHEAD)
    (tmp_path / "c.toml").write_text('source = "sample"\n')
    result = command("check", "ideas.py", "--config", "c.toml", "--symbols", "IBM", cwd=tmp_path)
    assert result.returncode == 3
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("refused: ")]
    assert "ahead: it reads later bars: IBM at 20" in line and "1 accepted, 1 refused" in result.stdout


def test_a_universe_hides_bars_from_features_of_a_panel(tmp_path: Path) -> None:
    """As in a run: what is missing then counts, symbols that never belong are left out, and a wrong file is refused."""
    (tmp_path / "ideas.py").write_text(PANEL)
    stays = [f"{symbol},2004-01-01,{until}" for symbol, until in zip(SAMPLE, ["2009-01-01", *[""] * 5], strict=True)]
    (tmp_path / "u.csv").write_text("\n".join(["symbol,from,to", *stays]) + "\n")
    words = ("check", "ideas.py", "--source", "sample", "--json")
    whole, part = (json.loads(command(*words, *more, cwd=tmp_path).stdout) for more in ((), ("--universe", "u.csv")))
    assert set(whole["symbols"]) - set(part["symbols"]) == {"^IXIC"} and part["symbols"] == sorted(SAMPLE)
    assert whole["checks"][0]["missing"] < 0.01 < part["checks"][0]["missing"]
    (tmp_path / "u.csv").write_text("symbol,from,to\nTCS,2004-01-01,\n")
    refused = command(*words, "--universe", "u.csv", cwd=tmp_path)
    assert refused.returncode == 2 and "belongs to the universe on a day of its bars" in refused.stderr
    refused = command(*words, "--universe", "none.csv", cwd=tmp_path)
    assert refused.returncode == 2 and "--universe" in refused.stderr


def test_requests_that_cannot_be_carried_out(tmp_path: Path) -> None:
    """A missing file, no stored bars, an unknown feature, a bad name: exit code 2 and what to do."""
    (tmp_path / "ideas.py").write_text(AHEAD)
    (tmp_path / "beside.py").write_text(
        "import gurukul as gk\n\n\n@gk.label(horizon=3, side='index')\ndef up(bars, side):\n"
        "    return side['index']['close'].diff(-3) < 0\n"
    )
    for words, message in (
        (("check", "absent.py", "--source", "sample"), "absent.py cannot be read"),
        (("check", "ideas.py"), "--source"),
        (("features", "rsi"), "did you mean rsi_14"),
        (("features", "minimal", "--run", "a", "--out", "f.parquet"), "that run a has chosen; leave out minimal"),
        (("features", "--run", "a", "--out", "f.csv"), "--out f.csv: the file name must end in .parquet"),
        (("features", "--run", "a", "--out", "absent/f.parquet"), "there is no folder absent; create it"),
        (("export", "a", "w", "--onnx", "absent/m.onnx"), "there is no folder absent; create it"),
        (
            ("run", "--label", "up"),
            "--label up: there is no such label; the built-in ones are fixed, triple-barrier, rank",
        ),
        (("run", "--label", "tripple-barrier"), "must be fixed, triple-barrier, rank, return, or the name"),
        (("plan", "--plugins", "ideas.py", "--label", "upp"), "there is no label upp; did you mean up?"),
        (("plan", "--plugins", "ideas.py", "--label", "up", "--horizon", "5"), "declares horizon=3; leave --horizon"),
        (
            ("plan", "--plugins", "ideas.py"),
            "ideas.py; add --features own,ahead, or leave the file out",
        ),
        (("plan", "--plugins", "beside.py", "--label", "up"), "reads side data index; give --side index=FILE"),
        (
            ("plan", "--plugins", "ideas.py", "--label", "up", "--side", "index=i.csv", "--side-lag", "index=1d"),
            "--side index is read by no feature of this run and not by its label",
        ),
        (("check", "beside.py", "--source", "sample"), "label up reads side data index; give --side index=FILE"),
        (
            ("plan", "--plugins", "ideas.py", "--features", "own,ahead"),
            "ideas.py: it reads later bars: A at 20",
        ),
        (("new", "my-ideas.py"), "no name of a Python module"),
        (("new", "absent/ideas.py"), "cannot be written"),
    ):
        result = command(*words, cwd=tmp_path)
        assert result.returncode == 2 and message in result.stderr, (words, result.stderr)


def test_the_values_that_a_run_s_models_see(two_device_run: Finished, tmp_path: Path) -> None:
    """One row per bar, in the order of the run's columns; None where a feature is undefined."""
    path = tmp_path / "features.parquet"
    result = command("features", "--run", "generated", "--out", str(path), "--json", cwd=two_device_run.cwd)
    assert result.returncode == 0, result.stderr
    table = pq.read_table(path)
    answer = json.loads(result.stdout)
    assert (answer["rows"], answer["columns"]) == (len(table), table.column_names[2:])
    metadata = next(two_device_run.folder.glob("windows/*/student/metadata.json"))
    assert table.column_names == ["symbol", "timestamp", *json.loads(metadata.read_text())["features"]]
    assert set(table["symbol"].to_pylist()) == {"BAJAJ-AUTO", "M&M", "^GSPC"}
    assert table["return_1"][0].as_py() is None and table["return_1"][1].as_py() is not None
    alone = command("features", "--out", str(path), cwd=two_device_run.cwd)
    assert alone.returncode == 2 and "--run and --out go together" in alone.stderr
