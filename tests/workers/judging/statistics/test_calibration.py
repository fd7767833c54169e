"""Calibration: published tables, scikit-learn's answers, and worlds whose probabilities are right by construction."""

import numpy as np
import pytest
from scipy.special import expit, logit, ndtri
from sklearn.linear_model import LogisticRegression
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from workers.bars.series import Floats, Ints
from workers.judging.statistics.calibration import (
    beside_by_day,
    ece_by_day,
    slope_by_day,
    spiegelhalter_by_day,
)
from workers.scoring.log_loss import log_loss
from workers.scoring.metrics import brier, ece

# Thirty people at each dose of caffeine, and how many did well. The line through the log odds is printed as 0.23847 and
# -0.0064416, which is too short for the printed statistics.
DOSES = np.arange(0, 501, 50)
EVENTS = (10, 13, 17, 15, 10, 5, 4, 3, 3, 1, 0)
CAFFEINE_Y = np.concatenate([np.repeat([1.0, 0.0], [count, 30 - count]) for count in EVENTS])
CAFFEINE_X = np.column_stack([np.ones(330), np.repeat(DOSES, 30)])
CAFFEINE_P = GLM(CAFFEINE_Y, CAFFEINE_X, family=Binomial()).fit(tol=1e-12).predict()


def days_together(seed: int, days: int = 300, symbols: int = 8) -> tuple[Floats, Floats, Ints]:
    """Calibrated but dependent labels: a shock that lasts three days moves all symbols at once."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.15, 0.45, (days, symbols))
    common = np.convolve(rng.normal(size=days + 2), np.ones(3), "valid") / np.sqrt(3)
    latent = np.sqrt(0.3) * common[:, None] + np.sqrt(0.7) * rng.normal(size=(days, symbols))
    y = (latent < ndtri(p)).astype(np.float64)
    return y.ravel(), p.ravel(), np.repeat(np.arange(days), symbols)


def independent_z(y: Floats, p: Floats) -> float:
    """Spiegelhalter's z for independent rows."""
    return float(((y - p) * (1 - 2 * p)).sum() / np.sqrt(((1 - 2 * p) ** 2 * p * (1 - p)).sum()))


def test_scores_of_the_caffeine_table() -> None:
    """The Brier score and log loss of the printed table."""
    assert brier(CAFFEINE_Y, CAFFEINE_P).score == pytest.approx(0.161329, abs=5e-7)
    assert log_loss(CAFFEINE_Y, CAFFEINE_P) == pytest.approx(0.480418, abs=5e-7)


def test_brier_score_of_ten_rows() -> None:
    """A vector small enough to compute by hand."""
    y = np.array([0, 0, 0, 1, 0, 1, 1, 0, 1, 1], dtype=np.float64)
    p = np.array([0.1, 0.2, 0.15, 0.35, 0.4, 0.5, 0.6, 0.3, 0.8, 0.9])
    assert brier(y, p).score == pytest.approx(0.1205)


def test_by_day_holds_its_level_where_rows_do_not_stand_alone() -> None:
    """Of 200 calibrated worlds, z for independent rows rejects more than a fifth, z by day about one in twenty."""
    plain, by_day = [], []
    for seed in range(200):
        y, p, day = days_together(seed)
        plain.append(abs(independent_z(y, p)) > 1.96)
        by_day.append(spiegelhalter_by_day(y, p, day).p < 0.05)
    assert np.mean(plain) > 0.2
    assert 0.01 < np.mean(by_day) < 0.12


def test_by_day_sees_what_is_too_sure() -> None:
    """Log odds twice as far out as they should be are seen, in the same dependent worlds."""
    found = []
    for seed in range(20):
        y, p, day = days_together(seed)
        found.append(spiegelhalter_by_day(y, expit(2 * logit(p)), day).p < 0.01)
    assert all(found)


def test_an_error_that_the_base_rate_has_too_is_not_the_students() -> None:
    """Odds of the base rate that are wrong by a quarter make z large; beside the base rate students are not worse."""
    alone, worse = [], []
    for seed in range(40):
        y, p, day = days_together(seed)
        off, base = expit(logit(p) + 0.25), np.full(len(p), expit(logit(0.3) + 0.25))
        alone.append(spiegelhalter_by_day(y, off, day).p < 0.05)
        found = beside_by_day(y, off, base, day)
        worse.append(found.p < 0.05 and abs(found.excess) > abs(found.other))
    assert np.mean(alone) > 0.5 and np.mean(worse) < 0.15


def test_what_students_add_too_confidently_is_seen_beside_the_base_rate() -> None:
    """Twice as far from the base rate as right is too confident, half as far too cautious; the base rate is right."""
    y, p, day = days_together(0, days=900)
    base = np.full(len(p), y.mean())
    for factor, sign in ((2.0, 1), (0.5, -1)):
        found = beside_by_day(y, expit(logit(base) + factor * (logit(p) - logit(base))), base, day)
        assert found.p < 0.01 and np.sign(found.z) == sign and abs(found.excess) > abs(found.other)
    with pytest.raises(ValueError, match="constant"):
        beside_by_day(y, base, base, day)


def test_by_day_does_not_ask_for_order_of_rows() -> None:
    """Rows of a day may stand anywhere."""
    y, p, day = days_together(0)
    order = np.random.default_rng(0).permutation(len(y))
    one, other = spiegelhalter_by_day(y, p, day), spiegelhalter_by_day(y[order], p[order], day[order])
    assert one.z == pytest.approx(other.z)
    line, again = slope_by_day(y, p, day, 5), slope_by_day(y[order], p[order], day[order], 5)
    assert (line.slope, line.low) == (pytest.approx(again.slope), pytest.approx(again.low))


def test_slope_is_an_unpenalised_logistic_regression() -> None:
    """Slope and intercept are scikit-learn's without a penalty."""
    y, p, day = days_together(1)
    found = slope_by_day(y, p, day, lags=5)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit(p)[:, None], y)
    assert (found.slope, found.intercept) == pytest.approx((model.coef_[0, 0], model.intercept_[0]), abs=1e-5)
    assert found.low < found.slope < found.high


def test_slope_says_how_much_too_sure() -> None:
    """Log odds stretched twofold halve the slope and its interval; moved by one they move the intercept alone."""
    y, p, day = days_together(2)
    base, sure = slope_by_day(y, p, day, 5), slope_by_day(y, expit(2 * logit(p)), day, 5)
    assert (sure.slope, sure.low, sure.high) == pytest.approx((base.slope / 2, base.low / 2, base.high / 2))
    moved = slope_by_day(y, expit(logit(p) + 1), day, 5)
    assert moved.slope == pytest.approx(base.slope)
    assert moved.intercept == pytest.approx(base.intercept - base.slope)


def test_slope_holds_one_where_all_is_right() -> None:
    """Of 60 right worlds the 95 % interval holds a slope of 1 nearly always."""
    held = 0
    for seed in range(60):
        y, p, day = days_together(seed)
        found = slope_by_day(y, p, day, 7)
        held += found.low <= 1.0 <= found.high
    assert 52 <= held <= 60


def test_interval_of_the_calibration_error() -> None:
    """It holds the error of what is plainly wrong, goes by seed and block, and is wider where days hang together."""
    y, p, day = days_together(3)
    wrong = np.clip(p + 0.2, 0, 1)
    sizes = {"min_block": 5, "repetitions": 300}
    found = ece_by_day(y, wrong, day, **sizes, seed=1)
    assert 0 < found.low < ece(y, wrong) < found.high
    assert found == ece_by_day(y, wrong, day, **sizes, seed=1) != ece_by_day(y, wrong, day, **sizes, seed=2)
    assert found != ece_by_day(y, wrong, day, min_block=40, repetitions=300, seed=1)
    alone = ece_by_day(y, wrong, np.random.default_rng(0).permutation(day), **sizes, seed=1)
    assert found.high - found.low > 1.3 * (alone.high - alone.low)
