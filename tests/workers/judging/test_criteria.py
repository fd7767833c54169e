"""Criteria: which side of a bound passes, its part, and in which unit it is."""

from pathlib import Path

import numpy as np
import pytest

from schemas.contract.judgement import LOG_LOSS_IMPROVEMENT, NET_RETURN, Part, Ruling, Validation
from schemas.contract.numbers import between
from schemas.files.run_files import read_model
from tests.workers.judging.runs import stored_run
from tests.workers.judging.test_gates import QUICK, criterion, judged
from workers.judging.gates.criteria import at_least, at_most, interval_above_zero
from workers.scoring.ewc import mean_of

# A hundred days of mean 0.
DAILY = np.random.default_rng(1).normal(size=100)
DAILY -= DAILY.mean()


@pytest.mark.parametrize(
    ("statistic", "from_below", "from_above"),
    [(0.9, Ruling.FAIL, Ruling.PASS), (1.0, Ruling.PASS, Ruling.PASS), (1.1, Ruling.PASS, Ruling.FAIL)],
)
def test_a_number_equal_to_its_bound_passes(statistic: float, from_below: Ruling, from_above: Ruling) -> None:
    """`at_least` passes from the threshold up, `at_most` up to the threshold; both include it."""
    assert at_least("x", statistic, 1.0, "").ruling is from_below
    assert at_most("x", statistic, 1.0, "").ruling is from_above


@pytest.mark.parametrize(
    ("mean", "ruling", "finding"),
    [
        (0.5, Ruling.PASS, "above 0"),
        (0.05, Ruling.FAIL, "not significantly different from 0"),
        (-0.5, Ruling.FAIL, "below 0"),
    ],
)
def test_the_whole_interval_must_be_above_zero(mean: float, ruling: Ruling, finding: str) -> None:
    """The whole interval must be above 0 to pass; the sign of the mean decides nothing here."""
    found = interval_above_zero("x", DAILY + mean, "units")
    assert (found.ruling, found.part, found.n) == (ruling, Part.WARNING, 100)
    assert found.reason.endswith(f": {finding}")


def test_scale_applies_to_every_number() -> None:
    """Statistic, interval and reason are all in the scaled unit; the threshold stays 0."""
    daily = 1e-4 * (DAILY + 1.0)
    found = interval_above_zero("x", daily, "bps", scale=1e4)
    low, high = mean_of(DAILY + 1.0).interval()
    assert (found.statistic, found.low, found.high, found.threshold) == pytest.approx((1.0, low, high, 0.0))
    assert found.reason.startswith(f"+1.00 bps, 95 % interval {between(low, high, '+')}")


def test_units_of_a_runs_numbers(tmp_path: Path) -> None:
    """The net return is the mean daily return in bps of the capital; the improvement is in nats per row."""
    layout = stored_run(tmp_path, signal=0.6, gates=QUICK)
    reports = judged(layout, "skill", "economics")
    net = criterion(reports["economics"], NET_RETURN)
    validation = read_model(layout.validation, Validation)
    assert net.statistic == pytest.approx(validation.trading["student"].net_bps_a_day)
    assert f"{net.statistic:+.3g} bps of capital per day" in net.reason
    improvement = criterion(reports["skill"], LOG_LOSS_IMPROVEMENT)
    assert f"{improvement.statistic:+.3g} nats per row" in improvement.reason
