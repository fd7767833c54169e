"""Bounds inside gates, on numbers made by hand."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from scipy.special import expit, logit

from schemas.config.judgement import GateSettings
from schemas.config.target import CLASS
from schemas.contract.judgement import Criterion, Part, Ruling
from workers.bars.series import Floats
from workers.judging.evidence import Evidence
from workers.judging.gates import JUDGES, economics
from workers.judging.gates.calibration import BESIDE, Z
from workers.judging.statistics import calibration

DAYS = 300


@pytest.mark.parametrize(("min_block_days", "lags"), [(2, 7), (30, 29)])
def test_calibration_counts_the_longer_dependence(
    min_block_days: int, lags: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard errors use the lags of overlapping labels, at least the cube root of the days."""
    used: list[int] = []

    def slope(y: Any, p: Any, day: Any, lags: int, **kind: bool) -> Any:
        used.append(lags)
        return right(y, p, day, lags, **kind)

    right = calibration.slope_by_day
    monkeypatch.setattr(calibration, "slope_by_day", slope)
    rng = np.random.default_rng(0)
    p = rng.uniform(0.2, 0.8, DAYS)
    judge_calibration((rng.random(DAYS) < p).astype(np.float64), p, np.full(DAYS, 0.5), min_block_days)
    assert used == [lags]


def judge_calibration(y: Floats, student: Floats, prior: Floats, min_block_days: int = 2) -> dict[str, Criterion]:
    """The criteria of the gate on one symbol's days."""
    evidence = SimpleNamespace(
        predictions=SimpleNamespace(y=y, student=student, prior=prior, day=np.arange(len(y))),
        settings=GateSettings(repetitions=200), min_block_days=min_block_days, seed=0,
        validation=SimpleNamespace(days=len(y), target=CLASS), inputs={},
    )  # fmt: skip
    return {each.name: each for each in JUDGES["calibration"](cast(Evidence, evidence)).gate.criteria}


@pytest.mark.parametrize(
    ("factor", "base", "ruling", "words"),
    [
        (1.0, 0.4, Ruling.PASS, "calibrated as the base rate"),
        (3.0, 0.4, Ruling.FAIL, "too confident"),
        (1 / 3, 0.4, Ruling.FAIL, "too cautious"),
        (1.0, 0.8, Ruling.PASS, "better calibrated"),
    ],
)
def test_students_warn_only_if_worse_calibrated_than_the_base_rate(
    factor: float, base: float, ruling: Ruling, words: str
) -> None:
    """Odds that are right pass, also where the base rate is wrong; odds three times or a third as far do not."""
    rng, days = np.random.default_rng(1), 4_000
    adds = rng.normal(0, 0.5, days)
    y = (rng.random(days) < expit(logit(0.4) + adds)).astype(np.float64)
    found = judge_calibration(y, expit(logit(0.4) + factor * adds), np.full(days, base))
    assert found[BESIDE].ruling is ruling and words in found[BESIDE].reason
    assert found[Z].part is Part.INFORMS and "their own error" in found[Z].reason


def test_students_that_predict_the_base_rate_are_calibrated_as_it_is() -> None:
    """Windows with different base rates, and predictions equal to them."""
    prior = np.repeat([0.4, 0.6], DAYS // 2)
    found = judge_calibration((np.random.default_rng(0).random(DAYS) < prior).astype(np.float64), prior, prior)
    assert found[BESIDE].ruling is Ruling.PASS and found[BESIDE].reason.startswith("equal")


@pytest.mark.parametrize(("bps", "ruling"), [(0.5, Ruling.PASS), (-0.5, Ruling.FAIL)])
def test_a_stress_is_passed_by_any_gain(bps: float, ruling: Ruling) -> None:
    """Twice the cost, a later trade, the worst year and the rest without the best symbol: above 0 passes."""
    net = np.full((DAYS, 2), bps / 2e4)
    book = SimpleNamespace(day=np.arange(DAYS), symbols=("A", "B"), net=net, daily=net.sum(axis=1), traded=np.ones(1))
    manifest = SimpleNamespace(periods_per_year=252)
    evidence = SimpleNamespace(settings=GateSettings(), manifest=manifest, book=lambda **_: book)
    found = economics._stresses(cast(Evidence, evidence), cast(Any, book))
    assert [each.ruling for each in found] == 4 * [ruling]
