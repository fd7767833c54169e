"""The e-process: its error rate however often it is looked at, its power, and its formula."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from workers.bars.series import Floats
from workers.judging.statistics.e_process import MIXTURE_DAYS, e_process

YEARS, WORLDS, BOUND = 5, 1000, 20.0


def promoted(ratio: float, years: int, seed: int = 0) -> float:
    """Share of worlds, of a Sharpe ratio per year and fat tails, that a look in every month would promote."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_t(5, size=(WORLDS, 252 * years)) / np.sqrt(5.0 / 3.0)
    days = ratio / np.sqrt(252.0) + noise
    months: list[Floats] = [e_process(each)[20::21] for each in days]
    return float(np.mean([month.max() >= BOUND for month in months]))


def test_judging_every_month_keeps_the_error_rate() -> None:
    """Of worlds without a signal at most 3 % are promoted in five years of monthly looks; of losing ones none."""
    assert promoted(0.0, YEARS) <= 0.03
    assert promoted(-1.0, YEARS) == 0.0


def test_power_at_a_sharpe_ratio_of_one_and_a_half() -> None:
    """About 0.41 of such worlds are found within two years, 0.81 within five; a ratio of 2 in most."""
    assert promoted(1.5, 2) == pytest.approx(0.41, abs=0.06)
    assert promoted(1.5, 5) == pytest.approx(0.81, abs=0.06)
    assert promoted(2.0, 5) > 0.95


def test_the_mixture_is_the_integral_of_its_formula() -> None:
    """The e-value is the mean of exp(l S - l^2 V / 2) over a half-normal l with variance 1 / MIXTURE_DAYS."""
    x = np.random.default_rng(1).normal(0.1, 1.0, 50)
    for n in (1, 20, 50):
        total, variance = float(x[:n].sum()), float((x[:n] ** 2).sum())

        def mixed(slope: float, total: float = total, variance: float = variance) -> float:
            density = 2.0 * norm.pdf(slope, scale=MIXTURE_DAYS**-0.5)
            return float(np.exp(slope * total - slope**2 * variance / 2.0) * density)

        assert e_process(x)[n - 1] == pytest.approx(quad(mixed, 0.0, 2.0)[0], rel=1e-6)
