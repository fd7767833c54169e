"""Scores against scikit-learn and against their definitions."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tests.strategies import examples, training_settings
from workers.judging.predictions import Predictions
from workers.judging.scoring import CLIP, daily_means, log_loss, log_losses, skill
from workers.judging.validation import daily_net, net_returns, validate

SETTINGS = training_settings()
COST = 0.0034  # 24 basis points of fees and twice 5 of slippage

probabilities = st.floats(CLIP, 1.0 - CLIP)


def predictions(rows: int, seed: int = 0, **changes: Any) -> Predictions:
    """Scored rows of two symbols over `rows` days, the second symbol missing every third day."""
    rng = np.random.default_rng(seed)
    symbol = np.array(["A", "B"] * rows, dtype=object)
    day = np.repeat(np.arange(19_000, 19_000 + rows), 2)
    kept = (symbol == "A") | (day % 3 != 0)
    n = int(kept.sum())
    values: dict[str, Any] = {
        "symbol": symbol[kept],
        "day": day[kept],
        "y": rng.integers(0, 2, n).astype(float),
        "forward_return": rng.normal(0, 0.03, n),
        "student": rng.uniform(0.2, 0.8, n),
        "alone": rng.uniform(0.2, 0.8, n),
        "teacher": rng.uniform(0.2, 0.8, n),
        "prior": np.full(n, 0.4),
        "trade": rng.random(n) < 0.3,
        "windows": 4,
        "digests": {"windows/x/student/predictions.parquet": "0" * 64},
    }
    return Predictions(**values | changes)


@examples(100)
@given(rows=st.lists(st.tuples(st.integers(0, 1), probabilities), min_size=1, max_size=50))
def test_log_loss_is_sklearns(rows: list[tuple[int, float]]) -> None:
    """Log loss equals scikit-learn's for any labels and probabilities."""
    y, p = [label for label, _ in rows], [probability for _, probability in rows]
    assert log_loss(y, p) == pytest.approx(metrics.log_loss(y, p, labels=[0, 1]), rel=1e-9, abs=1e-12)
    assert log_loss(y, p) == pytest.approx(np.mean(log_losses(y, p)))


@pytest.mark.parametrize("label", [0, 1])
def test_a_certain_mistake_costs_much_but_not_everything(label: int) -> None:
    """A probability of 0 or 1 counts as one millionth away from it, so no single row's loss is infinite."""
    assert log_loss([label], [1 - label]) == pytest.approx(-np.log(1e-6), rel=1e-9)
    assert 0.0 < log_loss([label], [label]) < 2e-6


def test_skill_is_the_share_of_loss_saved() -> None:
    """Skill is 0 at the baseline, 1 for a perfect forecast and negative for a worse one."""
    assert skill(0.7, 0.7) == 0.0
    assert skill(0.0, 0.7) == 1.0
    assert skill(0.84, 0.7) == pytest.approx(-0.2)


@examples(60)
@given(rows=st.lists(st.tuples(st.integers(0, 9), st.floats(-1, 1)), min_size=1, max_size=60))
def test_daily_means_are_each_days_mean_in_order(rows: list[tuple[int, float]]) -> None:
    """Each day present is there once, in order, with the mean of its own values, whatever the rows' order."""
    days, means = daily_means(np.array([d for d, _ in rows]), np.array([v for _, v in rows]))
    assert days.tolist() == sorted({d for d, _ in rows})
    for day, mean in zip(days, means, strict=True):
        assert mean == pytest.approx(np.mean([v for d, v in rows if d == day]), abs=1e-12)


def test_only_trades_pay_and_earn() -> None:
    """A row's net return is its return less the cost where the student traded, and nothing where it did not."""
    p = predictions(40)
    net = net_returns(p, COST)
    assert (net[~p.trade] == 0.0).all()
    assert net[p.trade] == pytest.approx(p.forward_return[p.trade] - COST)


def test_idle_symbols_dilute_a_day() -> None:
    """A day's return is the mean over all symbols scored that day, idle ones counting 0, on its part of the capital."""
    p = predictions(4, trade=np.array([True, False, True, False, True, True, False]))
    days, net = daily_net(p, SETTINGS)
    returns = np.where(p.trade, p.forward_return - COST, 0.0)
    for day, value in zip(days, net, strict=True):
        assert value == pytest.approx(returns[p.day == day].mean() / SETTINGS.horizon_bars)


def test_validation_pools_rows() -> None:
    """Scores are of all rows together, not an average of the symbols' or windows' scores."""
    p = predictions(90)
    result = validate("r", p, SETTINGS)
    assert result.student_log_loss == pytest.approx(metrics.log_loss(p.y, p.student))
    assert result.prior_log_loss == pytest.approx(metrics.log_loss(p.y, p.prior))
    assert result.log_loss_skill == pytest.approx(1 - result.student_log_loss / result.prior_log_loss)
    assert result.student_auc == pytest.approx(metrics.roc_auc_score(p.y, p.student))
    assert result.mean_net_bps_per_trade == pytest.approx(1e4 * (p.forward_return[p.trade] - COST).mean())
    assert result.hit_rate == pytest.approx((p.forward_return[p.trade] > COST).mean())
    assert (result.rows, result.trades, result.windows) == (len(p), p.trade.sum(), 4)
    assert (result.first, result.last) == (date(2022, 1, 8), date(2022, 4, 7))
    assert result.inputs == p.digests


def test_validation_by_symbol_adds_up() -> None:
    """Each symbol has its own row of scores; their rows, positives and trades add up to the whole."""
    p = predictions(60)
    result = validate("r", p, SETTINGS)
    assert list(result.per_symbol) == ["A", "B"]
    for key, whole in (("rows", len(p)), ("positives", int(p.y.sum())), ("trades", int(p.trade.sum()))):
        assert sum(int(row[key] or 0) for row in result.per_symbol.values()) == whole
    own = p.symbol == "B"
    assert result.per_symbol["B"]["student_log_loss"] == pytest.approx(metrics.log_loss(p.y[own], p.student[own]))


def test_what_cannot_be_scored_is_none() -> None:
    """Without a trade there is no hit rate, and with one class no AUC: None, never a stand-in number."""
    rows = len(predictions(30))
    result = validate("r", predictions(30, trade=np.zeros(rows, bool), y=np.ones(rows)), SETTINGS)
    assert result.hit_rate is None
    assert result.mean_net_bps_per_trade is None
    assert result.student_auc is None
    assert result.mean_net_bps_per_day == 0.0
