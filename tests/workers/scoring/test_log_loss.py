"""Scores against scikit-learn and against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tests.strategies import examples
from workers.scoring.log_loss import CLIP, daily_means, log_loss, log_losses, skill

probabilities = st.floats(CLIP, 1.0 - CLIP)


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
