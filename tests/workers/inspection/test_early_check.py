"""Plug-ins that read later bars are refused before a run starts."""

from pathlib import Path

import pytest

from schemas.contract.plugin_source import PLUGINS_ENV
from tests.strategies import QUICK
from workers.features.plugged import features_here
from workers.inspection.early_check import early_fault, made_panel
from workers.learning.plugged_label import labels_here

ZOOS = Path(__file__).parents[1]


@pytest.mark.parametrize("path", ["features/zoo.py", "learning/label_zoo.py", "learning/label_zoo_beside.py"])
def test_the_zoos_without_side_data(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On made bars as on real ones: every feature and label that reads later bars is refused, no honest one is."""
    monkeypatch.setenv(PLUGINS_ENV, str(ZOOS / path))
    every = 3 if QUICK else 1
    faults = {each.name: early_fault([each], ()) for each in [*features_here().values()][::every] if not each.side}
    faults |= {each.name: early_fault((), [each]) for each in [*labels_here().values()][::every] if not each.side}
    assert faults
    assert {name: fault for name, fault in faults.items() if name.startswith("leaking_") != bool(fault)} == {}
    refused = next(fault for fault in faults.values() if fault)
    assert str(ZOOS / path) in refused and ("reads later bars" in refused or "after its end" in refused)


def test_bars_are_those_of_a_market() -> None:
    """Weekdays only, and prices within each bar's high and low."""
    for series in made_panel().values():
        assert ((series.session + 3) % 7 < 5).all() and len(series) == len(set(series.session.tolist()))
        assert (series.low <= series.close).all() and (series.close <= series.high).all()


def test_what_cannot_be_tried_is_left_to_the_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A feature that fails on made bars, or has no value there, is not refused."""
    path = tmp_path / "ideas.py"
    path.write_text(
        "import gurukul as gk\n"
        "@gk.feature(warmup=0)\ndef empty(bars): return bars['close'].shift(-1) * float('nan')\n"
        "@gk.feature(warmup=0)\ndef fails(bars): return bars['no such column']\n"
    )
    monkeypatch.setenv(PLUGINS_ENV, str(path))
    assert early_fault(features_here().values(), ()) == ""
