"""Look-ahead and warm-up analysis: a zoo of features as people write them."""

import re
from pathlib import Path

import numpy as np
import pytest

from schemas.contract.feature_check import FeatureCheck
from schemas.contract.plugin_source import PLUGINS_ENV
from tests.strategies import QUICK, daily_walk, intraday_walk
from tests.workers.side.by_time import join_by_time
from workers.features.analysis import Analysis, check_features
from workers.features.plugged import features_here
from workers.side.joined import SideData
from workers.side.store import table_of
from workers.side.table import SHARED

ZOO = Path(__file__).parent / "zoo.py"
PANEL = {name: daily_walk(420, seed) for seed, name in enumerate("ABCDEF")}


def side_data() -> SideData:
    """Flows of all symbols, known a day later and revised ten days later, and earnings per symbol and quarter."""
    rng, day = np.random.default_rng(0), PANEL["A"].timestamp
    times = np.tile(day, 2)
    known_at = np.concatenate([day + 30 * HOUR_US, day + 240 * HOUR_US])
    flows = table_of(
        ("net",), np.full(len(times), SHARED, dtype=object), times, known_at, rng.normal(size=(len(times), 1)), None
    )
    owners, quarters = np.repeat(np.array(list(PANEL), dtype=object), 7), np.tile(day[::60], 6)
    eps = rng.uniform(1.0, 5.0, (len(owners), 1))
    earnings = table_of(("eps",), owners, quarters, quarters + 720 * HOUR_US, eps, 200 * 86_400)
    return SideData({"flows": flows, "earnings": earnings}, "NSE")


HOUR_US = 3600 * 10**6
SIDE = side_data()


def checked(
    path: Path, monkeypatch: pytest.MonkeyPatch, intraday: bool = False, every: int = 1
) -> dict[str, FeatureCheck]:
    """The checks of one in `every` features of a file, on one symbol; on the panel for those that take it."""
    monkeypatch.setenv(PLUGINS_ENV, str(path))
    found = {}
    for name, feature in list(features_here().items())[::every]:
        alone = {"A": intraday_walk(100, 4, 1) if intraday else PANEL["A"]}
        (found[name],) = check_features(
            PANEL if feature.panel else alone, [feature], "UTC", intraday, seed=1, plan=Analysis(), side=SIDE
        )
    return found


def test_the_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each feature that reads later bars is refused for that, with a bar and two values; the honest ones pass.

    `make check` takes one in three.
    """
    found = checked(ZOO, monkeypatch, every=3 if QUICK else 1)
    leaking = {name: each.faults for name, each in found.items() if name.startswith("leaking_")}
    honest = {name: each.faults for name, each in found.items() if name.startswith("honest_")}
    assert (len(leaking), len(honest)) == ((7, 9) if QUICK else (22, 24))
    assert not {name: faults for name, faults in leaking.items() if not faults or "reads later bars" not in faults[0]}
    assert not {name: faults for name, faults in honest.items() if faults}
    first = next(iter(leaking.values()))[0]
    assert "at 20" in first and "with all bars, and" in first


@pytest.mark.parametrize(
    ("warmup", "body", "words"),
    [
        (20, "bars['close'].rolling(60).mean() / bars['close']", "warm-up of 20 bars is too short: .* at most 60"),
        (
            10,
            "bars['close'].ewm(span=20, adjust=False).mean() / bars['close']",
            "too short: .* at most (80|100|120|150)",
        ),
        (50, "bars['close'] / bars['close'].cummax()", "depends on where the history begins.* declare warmup='all'"),
        (1, "bars['close'] * float('nan')", "no value on any bar after the first 150"),
        (1, "bars['close'].iloc[200:]", "another index than the bars"),
    ],
)
def test_a_warm_up_that_is_not_true_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warmup: int, body: str, words: str
) -> None:
    """Too short: the sentence has the measured number; without an end: what to declare instead."""
    path = tmp_path / "ideas.py"
    path.write_text(f"import gurukul as gk\n@gk.feature(warmup={warmup})\ndef f(bars): return {body}\n")
    (fault,) = checked(path, monkeypatch)["f"].faults
    assert re.search(words, fault), fault


def test_notes_refuse_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing values, a constant, and a copy of a built-in feature are named."""
    path = tmp_path / "ideas.py"
    path.write_text(
        "import gurukul as gk\n"
        "@gk.feature(warmup=5)\ndef copy(bars): return 3 * bars['close'] / bars['close'].shift(5)\n"
        "@gk.feature(warmup=0)\ndef one(bars): return bars['close'] * 0 + 1\n"
        "@gk.feature(warmup=0)\ndef some(bars): return bars['close'].where(bars.index.dayofweek > 0)\n"
    )
    found = checked(path, monkeypatch)
    assert not [each for each in found.values() if each.faults]
    assert found["copy"].notes == ("it orders the bars of A as return_5 does",)
    assert found["one"].notes == ("it is 1 on every bar of A",)
    assert found["some"].notes[0].startswith("20") and "missing after the first 150 bars" in found["some"].notes[0]


def test_a_history_begins_with_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean since the session's first bar needs no earlier session."""
    path = tmp_path / "ideas.py"
    path.write_text(
        "import gurukul as gk\n@gk.feature(warmup=0)\ndef f(bars):\n"
        "    return bars['close'] / bars['close'].groupby(bars.index.date).transform(lambda x: x.expanding().mean())\n"
    )
    assert not checked(path, monkeypatch, intraday=True)["f"].faults


def test_a_join_by_time_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The analysis does not rest on the join: values that are seen before they are known are a look ahead."""
    path = tmp_path / "ideas.py"
    path.write_text(
        "import gurukul as gk\n@gk.feature(warmup=0, side='flows')\ndef f(bars, side): return side['flows']['net']\n"
    )
    assert not checked(path, monkeypatch)["f"].faults
    join_by_time(monkeypatch)
    (fault,) = checked(path, monkeypatch)["f"].faults
    assert "reads later bars" in fault
