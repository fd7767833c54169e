"""Bounds inside gates, on numbers made by hand."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from schemas.config.judgement import GateSettings
from schemas.contract.judgement import Ruling
from workers.judging.evidence import Evidence
from workers.judging.gates import JUDGES, economics
from workers.judging.statistics import calibration

DAYS = 300


@pytest.mark.parametrize(("min_block_days", "lags"), [(2, 7), (30, 29)])
def test_calibration_counts_the_longer_dependence(
    min_block_days: int, lags: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard errors use the lags of overlapping labels, at least the cube root of the days."""
    used: list[int] = []

    def slope(y: Any, p: Any, day: Any, lags: int) -> Any:
        used.append(lags)
        return right(y, p, day, lags)

    right = calibration.slope_by_day
    monkeypatch.setattr(calibration, "slope_by_day", slope)
    rng = np.random.default_rng(0)
    p = rng.uniform(0.2, 0.8, DAYS)
    predictions = SimpleNamespace(y=(rng.random(DAYS) < p).astype(np.int8), student=p, day=np.arange(DAYS))
    evidence = SimpleNamespace(
        predictions=predictions, settings=GateSettings(repetitions=200), min_block_days=min_block_days, seed=0,
        validation=SimpleNamespace(days=DAYS), inputs={},
    )  # fmt: skip
    JUDGES["calibration"](cast(Evidence, evidence))
    assert used == [lags]


@pytest.mark.parametrize(("bps", "ruling"), [(0.5, Ruling.PASS), (-0.5, Ruling.FAIL)])
def test_a_stress_is_passed_by_any_gain(bps: float, ruling: Ruling) -> None:
    """Twice the cost, a later trade, the worst year and the rest without the best symbol: above 0 passes."""
    net = np.full((DAYS, 2), bps / 2e4)
    book = SimpleNamespace(day=np.arange(DAYS), symbols=("A", "B"), net=net, daily=net.sum(axis=1), traded=np.ones(1))
    manifest = SimpleNamespace(periods_per_year=252)
    evidence = SimpleNamespace(settings=GateSettings(), manifest=manifest, book=lambda **_: book)
    found = economics._stresses(cast(Evidence, evidence), cast(Any, book))
    assert [each.ruling for each in found] == 4 * [ruling]
