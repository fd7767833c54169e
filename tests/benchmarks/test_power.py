"""Worlds of the decision's error rates: students are calibrated, and the rule promotes what earns."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.power import Kind, Market, _world, judge

SIGNAL = Market("signal", 0.05, 4, 3)


def test_a_strong_signal_is_promoted_and_noise_is_not() -> None:
    """A twentieth of the variance of five days is seen by both primary tests; noise by neither."""
    found = judge(SIGNAL, 1)
    assert found.promoted and found.permutation < 0.01 and (found.alpha or 1.0) < 0.05
    assert not judge(replace(SIGNAL, kind="noise", r2=0.0), 1).promoted


@pytest.mark.parametrize("kind", ["signal", "volatility"])
def test_students_are_calibrated(kind: Kind) -> None:
    """Over 30 years the rate of positives in the upper and lower half of predictions is what was predicted."""
    market = replace(SIGNAL, kind=kind, r2=0.05 if kind == "signal" else 0.0, years=30)
    _, p = _world(market, np.random.default_rng(3))
    upper = p.student > np.median(p.student)
    assert p.student[upper].mean() - p.student[~upper].mean() > 0.05
    for half in (upper, ~upper):
        assert p.y[half].mean() == pytest.approx(p.student[half].mean(), abs=0.02)


def test_the_share_of_variance_is_what_was_asked() -> None:
    """The squared correlation of what students see with the return of five days is R2, to its Monte Carlo error."""
    _, p = _world(replace(SIGNAL, years=60), np.random.default_rng(4))
    assert np.corrcoef(p.student, p.forward_return)[0, 1] ** 2 == pytest.approx(0.05, abs=0.015)
