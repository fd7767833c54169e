"""Gates on predictions whose truth is known, and the recommendation that follows from them."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from orchestrator.verdict import recommend
from schemas.artifacts import Gate, Recommendation, RunRow, Statistics
from schemas.layout import RunLayout
from schemas.messages import FailureClass, Role, Status
from schemas.rows import write_rows
from schemas.window import SkipReason
from tests.strategies import training_settings
from workers.judging.gates import MIN_DAYS, judge
from workers.judging.predictions import Predictions

SETTINGS = training_settings()


def predictions(days: int = 400, signal: float = 0.0, windows: int = 10, **changes: Any) -> Predictions:
    """Three symbols a day. `signal` moves the student towards the truth; it trades where it says more than a half."""
    rng = np.random.default_rng(0)
    n = days * 3
    y = (rng.random(n) < 0.5).astype(float)
    student = np.clip(0.5 + signal * (y - 0.5) + rng.normal(0, 0.05, n), 0.05, 0.95)
    values: dict[str, Any] = {
        "symbol": np.tile(np.array(["A", "B", "C"], dtype=object), days),
        "day": np.repeat(np.arange(19_000, 19_000 + days), 3),
        "y": y,
        "forward_return": np.where(y == 1, 0.03, -0.03) + rng.normal(0, 0.01, n),
        "student": student,
        "alone": student,
        "teacher": student,
        "prior": np.full(n, 0.5),
        "trade": student > 0.5,
        "windows": windows,
        "digests": {"windows/x/student/predictions.parquet": "0" * 64},
    }
    return Predictions(**values | changes)


def student_rows(folder: Path, success: int, failed: int = 0, skipped: int = 0) -> RunLayout:
    """A run's folder with so many student rows of each status."""
    statuses = [Status.SUCCESS] * success + [Status.FAILED] * failed + [Status.SKIPPED] * skipped
    rows = [
        RunRow(
            run_id="r",
            role=Role.STUDENT,
            window_label=f"A_{i}",
            symbol="A",
            start=date(2022, 1, 1),
            end=date(2022, 6, 30),
            status=status,
            reason=SkipReason.SINGLE_CLASS if status is Status.SKIPPED else None,
            failure=FailureClass.BUG if status is Status.FAILED else None,
        )
        for i, status in enumerate(statuses)
    ]
    layout = RunLayout(folder)
    write_rows(layout, Role.STUDENT, rows)
    return layout


def judged(folder: Path, p: Predictions, failed: int = 0, skipped: int = 0) -> dict[str, Gate]:
    """The gates by name."""
    layout = student_rows(folder, p.windows, failed, skipped)
    return {gate.name: gate for gate in judge(layout, "r", p, SETTINGS).gates}


def test_students_that_know_pass_every_gate(tmp_path: Path) -> None:
    """Predictions near the truth, traded at a profit, pass all gates and are recommended for promotion."""
    layout = student_rows(tmp_path, 10)
    statistics = judge(layout, "r", predictions(signal=0.6), SETTINGS)
    assert [gate.passed for gate in statistics.gates] == [True, True, True]
    assert recommend(statistics)[0] is Recommendation.PROMOTE


def test_students_that_guess_pass_none_that_counts(tmp_path: Path) -> None:
    """Noise around the base rate has no skill and loses its costs: both gates fail, and it is rejected."""
    layout = student_rows(tmp_path, 10)
    statistics = judge(layout, "r", predictions(), SETTINGS)
    assert [gate.name for gate in statistics.gates if not gate.passed] == ["skill", "economics"]
    assert recommend(statistics)[0] is Recommendation.REJECT


def test_skill_without_profit_is_not_promoted(tmp_path: Path) -> None:
    """Students that know the truth but trade against it fail the economics gate alone."""
    p = predictions(signal=0.6)
    gates = judged(tmp_path, predictions(signal=0.6, trade=~p.trade))
    assert gates["skill"].passed
    assert not gates["economics"].passed
    assert "below 0" in gates["economics"].reason


def test_a_mean_above_0_is_not_enough(tmp_path: Path) -> None:
    """Trades that earn on average, but whose interval reaches below 0, fail their gate: the students are on hold."""
    statistics = judge(student_rows(tmp_path, 10), "r", predictions(signal=0.03), SETTINGS)
    economics = statistics.gates[-1]
    assert economics.statistic is not None and economics.low is not None
    assert economics.low < 0 < economics.statistic
    assert not economics.passed
    assert "not told apart from 0" in economics.reason
    assert recommend(statistics)[0] is Recommendation.HOLD


def test_judging_twice_gives_the_same_statistics(tmp_path: Path) -> None:
    """The same predictions and seed give the same statistics, to the last digit."""
    layout = student_rows(tmp_path, 10)
    first = judge(layout, "r", predictions(signal=0.1), SETTINGS)
    assert judge(layout, "r", predictions(signal=0.1), SETTINGS) == first
    assert first.inputs == predictions().digests
    assert first.seed == SETTINGS.seed


@pytest.mark.parametrize("name", ["skill", "economics"])
def test_too_few_days_cannot_be_computed_and_fail(tmp_path: Path, name: str) -> None:
    """With fewer days than a gate needs it fails without a number, however good they look."""
    gate = judged(tmp_path, predictions(days=MIN_DAYS - 1, signal=0.9))[name]
    assert not gate.passed
    assert gate.statistic is None and gate.low is None and gate.high is None
    assert gate.reason == f"not computable: {MIN_DAYS - 1} days, {MIN_DAYS} needed"
    assert judged(tmp_path, predictions(days=MIN_DAYS, signal=0.9))[name].statistic is not None


def test_no_trade_at_all_cannot_be_computed_and_fails(tmp_path: Path) -> None:
    """Students that never trade have no economics: the gate fails and promotion is out of the question."""
    p = predictions(signal=0.6)
    statistics = judge(student_rows(tmp_path, 10), "r", predictions(signal=0.6, trade=p.trade & False), SETTINGS)
    economics = statistics.gates[-1]
    assert (economics.name, economics.passed, economics.statistic) == ("economics", False, None)
    assert "not computable" in economics.reason
    assert recommend(statistics)[0] is Recommendation.REJECT


def test_students_that_say_the_base_rate_cannot_be_computed_and_fail(tmp_path: Path) -> None:
    """Students that only repeat the prior differ from it nowhere: the skill gate fails without a number."""
    p = predictions()
    gate = judged(tmp_path, predictions(student=p.prior))["skill"]
    assert (gate.passed, gate.statistic) == (False, None)


@pytest.mark.parametrize(
    ("failed", "skipped", "passed"), [(0, 0, True), (1, 0, True), (2, 0, False), (0, 50, True), (1, 50, True)]
)
def test_data_gate_counts_attempts_not_skips(tmp_path: Path, failed: int, skipped: int, passed: bool) -> None:
    """Nine in ten of the windows that were tried must be scored; what the plan skipped was not tried."""
    gate = judged(tmp_path, predictions(signal=0.6), failed, skipped)["data"]
    assert gate.passed is passed
    assert gate.statistic == pytest.approx(10 / (10 + failed))
    assert gate.n == 10 + failed


def gate(name: str, *, passed: bool, statistic: float | None, low: float | None, threshold: float = 0.0) -> Gate:
    return Gate(
        name=name, question="?", statistic=statistic, low=low, threshold=threshold, n=100, passed=passed, reason="why"
    )


DATA = gate("data", passed=True, statistic=1.0, low=None, threshold=0.9)
LITTLE_DATA = gate("data", passed=False, statistic=0.5, low=None, threshold=0.9)
GOOD = gate("skill", passed=True, statistic=0.2, low=0.1)
HOPEFUL = gate("skill", passed=False, statistic=0.2, low=-0.1)
ZERO = gate("skill", passed=False, statistic=0.0, low=-0.1)
BAD = gate("skill", passed=False, statistic=-0.2, low=-0.3)
UNKNOWN = gate("skill", passed=False, statistic=None, low=None)
NO_INTERVAL = gate("skill", passed=False, statistic=0.2, low=None)
PROFIT = gate("economics", passed=True, statistic=3.0, low=1.0)
HOPED_PROFIT = gate("economics", passed=False, statistic=3.0, low=-1.0)
LOSS = gate("economics", passed=False, statistic=-3.0, low=-5.0)


@pytest.mark.parametrize(
    ("gates", "expected", "failed"),
    [
        ((DATA, GOOD, PROFIT), Recommendation.PROMOTE, []),
        ((DATA, HOPEFUL, PROFIT), Recommendation.HOLD, ["skill"]),
        ((DATA, GOOD, HOPED_PROFIT), Recommendation.HOLD, ["economics"]),
        ((DATA, HOPEFUL, HOPED_PROFIT), Recommendation.HOLD, ["skill", "economics"]),
        ((DATA, HOPEFUL, LOSS), Recommendation.REJECT, ["skill", "economics"]),
        ((DATA, ZERO, PROFIT), Recommendation.REJECT, ["skill"]),
        ((DATA, BAD, PROFIT), Recommendation.REJECT, ["skill"]),
        ((DATA, GOOD, LOSS), Recommendation.REJECT, ["economics"]),
        ((DATA, UNKNOWN, PROFIT), Recommendation.REJECT, ["skill"]),
        ((DATA, NO_INTERVAL, PROFIT), Recommendation.REJECT, ["skill"]),
        ((DATA, UNKNOWN, HOPED_PROFIT), Recommendation.REJECT, ["skill", "economics"]),
        ((LITTLE_DATA, GOOD, PROFIT), Recommendation.REJECT, ["data"]),
        ((LITTLE_DATA, HOPEFUL, PROFIT), Recommendation.REJECT, ["data", "skill"]),
    ],
)
def test_recommendation(gates: tuple[Gate, ...], expected: Recommendation, failed: list[str]) -> None:
    """All gates passed: promote. Each failed one above its bound, short of certainty: hold. Anything else: reject."""
    recommendation, reasons = recommend(Statistics(run_id="r", seed=1, repetitions=10, gates=gates, inputs={}))
    assert recommendation is expected
    assert reasons == [f"{name}: why" for name in failed or ["data", "skill", "economics"]]


def test_no_gate_is_no_verdict() -> None:
    """A verdict needs gates: statistics without any are refused, so nothing is promoted for want of tests."""
    with pytest.raises(ValidationError, match="gates"):
        Statistics(run_id="r", seed=1, repetitions=1, gates=(), inputs={})
