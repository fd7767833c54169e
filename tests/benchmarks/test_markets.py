"""An oracle is the best predictor there can be: calibrated, and better than any distortion of it."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from benchmarks import markets
from benchmarks.markets import WORLDS, Market, above_median, reverting_prices
from schemas.config.training import HORIZON_BARS
from tests.strategies import training_settings
from workers.bars.series import Floats
from workers.learning.history import prepare
from workers.models.logistic import newton
from workers.scoring.log_loss import log_loss

WARM = 60  # bars after which every signal has its whole past
CLUSTER = 2 * HORIZON_BARS
Labels = NDArray[np.bool_]


@cache
def long_market(name: str, bars: int) -> Market:
    """A market of a world over many bars."""
    world = WORLDS[name]
    return world.market(np.random.default_rng(11), world.symbols, bars)


def returns_ahead(market: Market) -> Floats:
    """Log return of each symbol over the horizon, at each bar that has one."""
    close = np.log(np.stack([series.close for series in market.bars.values()], axis=1))
    result: Floats = close[HORIZON_BARS:] - close[:-HORIZON_BARS]
    return result


def calibration(p: Floats, y: Labels) -> tuple[float, float]:
    """Slope of the labels on the logits of `p`, shape (bars, symbols), and its error; bars nearby are dependent."""
    bars = len(p) // CLUSTER * CLUSTER
    p, truth = p[:bars], y[:bars].astype(np.float64).ravel()
    columns = np.column_stack([logit(p).ravel(), np.ones(p.size)])
    added = newton(columns, truth, np.ones(p.size), np.zeros(p.size), np.full(2, 1e-9))
    fitted = expit(columns @ added)
    bread = np.linalg.inv((columns * (fitted * (1.0 - fitted))[:, None]).T @ columns)
    score = (columns * (truth - fitted)[:, None]).reshape(bars // CLUSTER, -1, 2).sum(axis=1)
    return float(added[0]), float(np.sqrt((bread @ score.T @ score @ bread)[0, 0]))


def assert_best(p: Floats, y: Labels, precise_to: float) -> None:
    """The slope is 1 within its error, and neither a bolder, a shyer nor a noisier prediction has a lower loss."""
    slope, error = calibration(p, y)
    assert error < precise_to
    assert slope == pytest.approx(1.0, abs=3.0 * error)
    best = log_loss(y, p)
    noise = np.random.default_rng(0).normal(0.0, logit(p).std(), p.shape)
    for other in (expit(2.0 * logit(p)), expit(0.3 * logit(p)), expit(logit(p) + noise), np.full(p.shape, y.mean())):
        assert best < log_loss(y, other)


@pytest.mark.parametrize(
    ("name", "bars", "precise_to"),
    [("reverting prices", 20_000, 0.03), ("planted rank", 5_000, 0.12), ("regimes", 800, 0.11)],
)
def test_the_oracle_of_absolute_labels_is_the_best_predictor(name: str, bars: int, precise_to: float) -> None:
    market = long_market(name, bars)
    y = returns_ahead(market) > 0.0
    assert_best(market.absolute[WARM:-HORIZON_BARS], y[WARM:], precise_to)


def planted_rank() -> tuple[Floats, Floats, Floats]:
    """Returns ahead, their expectation and draws of the rest, in the world of a planted rank."""
    market = long_market("planted rank", 5_000)
    mean, noise = market.mean, market.noise
    assert mean is not None and noise is not None, "this world is of the form mean plus noise"
    return returns_ahead(market)[WARM:], mean[WARM:-HORIZON_BARS], noise


def test_a_return_is_its_expectation_and_a_draw_of_the_rest() -> None:
    """What the expectation leaves of the returns beside the market has no mean, and the deviation of the draws."""
    ahead, mean, noise = planted_rank()
    assert ahead.shape == mean.shape and noise.shape[1] == mean.shape[1]
    rest = ahead - mean
    assert rest.mean() == pytest.approx(0.0, abs=0.1 * rest.std())
    beside = [values - values.mean(axis=1, keepdims=True) for values in (rest, noise)]
    assert beside[0].std() == pytest.approx(beside[1].std(), rel=0.03)


def test_the_oracle_of_ranks_is_the_best_predictor() -> None:
    """Of labels above the median of all symbols; every tenth bar and every fourth draw, which is enough."""
    ahead, mean, noise = planted_rank()
    y = ahead[::10] > np.median(ahead[::10], axis=1, keepdims=True)
    assert_best(above_median(mean[::10], noise[::4]), y, 0.2)


def test_the_planted_information_coefficient_is_there() -> None:
    """The expected return ranks the symbols with an IC near 0.05, and half of them are above the median."""
    ahead, mean, _ = planted_rank()
    ranks = [values.argsort(axis=1).argsort(axis=1) - (values.shape[1] - 1) / 2.0 for values in (mean, ahead)]
    daily = (ranks[0] * ranks[1]).sum(axis=1) / np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    assert daily.mean() == pytest.approx(markets.PLANTED_IC, abs=0.01)


def test_symbols_without_a_signal_are_above_the_median_half_of_the_time() -> None:
    noise = np.random.default_rng(0).normal(size=(500, 6))
    assert above_median(np.zeros((1, 6)), np.concatenate([noise, -noise])) == pytest.approx(0.5, abs=1e-12)
    ahead = above_median(np.array([[5.0, 0.0, 0.0, 0.0, 0.0, -5.0]]), noise)
    assert ahead[0, 0] > 0.99 and ahead[0, -1] < 0.01


@pytest.mark.parametrize("name", ["label noise", "privileged path"])
def test_an_oracle_of_changed_labels_is_the_best_predictor(name: str) -> None:
    """A world that changes labels changes its oracle accordingly, which is then less sure."""
    world, rng = WORLDS[name], np.random.default_rng(3)
    assert world.relabel and world.oracle, "this world changes labels"
    market = reverting_prices(rng, 8, 8_000)
    settings = training_settings(privileged=world.privileged)
    before = [prepare(series, settings) for series in market.bars.values()]
    histories = [world.relabel(history, rng) for history in before]
    changed = [(new.labels.y != old.labels.y).mean() for new, old in zip(histories, before, strict=True)]
    assert min(changed) > 0.25 and max(changed) < 0.5
    close = np.log(np.stack([series.close for series in market.bars.values()], axis=1) / 100.0)
    y = np.stack([history.labels.y for history in histories], axis=1) == 1
    oracle = world.oracle(market.absolute, close)
    assert np.abs(oracle - 0.5)[WARM:].mean() < np.abs(market.absolute - 0.5)[WARM:].mean()
    assert_best(oracle[WARM:-HORIZON_BARS], y[WARM:], 0.05)
