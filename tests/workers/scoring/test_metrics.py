"""Scores beside the log loss, against scikit-learn, scipy, published intervals and their own definitions."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from tests.strategies import examples
from workers.scoring.metrics import auc, brier, ece, equal_bins, mcc

LEVELS = st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])


@examples(100)
@given(rows=st.lists(st.tuples(st.sampled_from([0.0, 1.0]), LEVELS), min_size=1, max_size=80))
def test_equal_predictions_share_a_bin(rows: list[tuple[float, float]]) -> None:
    """Bins follow the predictions' order and never part equal ones."""
    p = np.array([level for _, level in rows])
    bins = equal_bins(p)
    for level in np.unique(p):
        assert len(np.unique(bins[p == level])) == 1
    assert all(a <= b for a, b in pairwise(bins[np.argsort(p, kind="stable")]))


@pytest.mark.parametrize("seed", range(5))
def test_parts_add_up_to_the_score(seed: int) -> None:
    """Reliability less resolution plus uncertainty is the score where each bin holds one prediction (Murphy 1973)."""
    rng = np.random.default_rng(seed)
    p = rng.choice([0.1, 0.3, 0.5, 0.7, 0.9], 500)
    y = (rng.random(500) < p**2).astype(np.float64)
    parts = brier(y, p)
    assert parts.reliability - parts.resolution + parts.uncertainty == pytest.approx(parts.score, abs=1e-12)
    assert parts.score == pytest.approx(sklearn_metrics.brier_score_loss(y, p))
    levels = [(p == level) for level in np.unique(p)]
    assert parts.reliability == pytest.approx(sum(m.mean() * (p[m].mean() - y[m].mean()) ** 2 for m in levels))
    assert parts.resolution == pytest.approx(sum(m.mean() * (y[m].mean() - y.mean()) ** 2 for m in levels))


def test_parts_nearly_add_up_for_any_predictions() -> None:
    """With predictions that spread within a bin, the sum is off by no more than that spread allows."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.2, 0.8, 2000)
    y = (rng.random(2000) < p).astype(np.float64)
    parts = brier(y, p)
    assert parts.reliability - parts.resolution + parts.uncertainty == pytest.approx(parts.score, abs=2e-3)


def test_calibration_error_is_the_mean_gap_over_bins_of_equal_mass() -> None:
    """Fifteen bins, as scikit-learn's quantile curve gives them; never 0 by chance, 0 where each bin is right."""
    rng = np.random.default_rng(1)
    p = rng.uniform(0, 1, 1500)
    y = (rng.random(1500) < p).astype(np.float64)
    assert np.bincount(equal_bins(p)).tolist() == [100] * 15
    observed, predicted = calibration_curve(y, p, n_bins=15, strategy="quantile")
    assert ece(y, p) == pytest.approx(np.abs(observed - predicted).mean())
    assert ece(y, p) > 0.01
    assert ece(np.array([0.0, 1.0, 1.0, 0.0]), np.full(4, 0.5)) == 0.0
    assert ece(np.ones(4), np.full(4, 0.9)) == pytest.approx(0.1)


def test_auc_is_the_share_of_pairs_in_order() -> None:
    """Pairs of a 1 and a 0 that stand in order, equals by half; None with one class."""
    rng = np.random.default_rng(2)
    y, p = rng.integers(0, 2, 60).astype(np.float64), rng.choice(np.linspace(0.1, 0.9, 9), 60)
    ones, zeros = p[y == 1][:, None], p[y == 0][None, :]
    assert auc(y, p) == pytest.approx(((ones > zeros) + 0.5 * (ones == zeros)).mean())
    assert auc(np.ones(5), p[:5]) is None and auc(np.zeros(5), p[:5]) is None


def test_mcc_is_the_correlation_of_decision_and_label() -> None:
    """Pearson's correlation of the two; None where one never changes."""
    rng = np.random.default_rng(3)
    y, decision = rng.integers(0, 2, 80).astype(np.float64), rng.random(80) < 0.3
    assert mcc(y, decision) == pytest.approx(np.corrcoef(y, decision)[0, 1])
    assert mcc(decision.astype(np.float64), decision) == pytest.approx(1.0)
    assert mcc(y, np.zeros(80, bool)) is None and mcc(y, np.ones(80, bool)) is None
    assert mcc(np.ones(80), decision) is None
