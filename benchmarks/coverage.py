"""How often 95 % intervals hold the true value: equal-weighted cosine (EWC) errors beside a block bootstrap.

    python -m benchmarks.coverage               # the table in docs/judgement.md, 750 days
    python -m benchmarks.coverage --days 250    # its other half

A world has forecasts and volatility that persist, fat tails, labels of five overlapping days, and a netted book.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import repeat

import numpy as np
from arch.bootstrap import StationaryBootstrap
from scipy.signal import lfilter
from scipy.special import ndtr

from workers.bars.series import Floats, Ints
from workers.judging.performance import overlap_interval
from workers.judging.statistics import sharpe
from workers.judging.statistics.bootstrap import block_length
from workers.scoring.ewc import line_of, mean_of
from workers.scoring.log_loss import log_losses

DAYS, SYMBOLS, HORIZON, MEMORY = 750, 4, 5, 0.8
MARKET, OWN, DRIFT, KNOWN, COST = 0.009, 0.015, 3e-4, 1e-3, 17e-4  # of a day; `KNOWN`: what a forecast knows of it
THRESHOLD = 0.02
REPETITIONS, TRUE_DAYS = 500, 1_000_000

Interval = tuple[float, float]


class World:
    """Days of forecasts, returns and a book that holds, per symbol, the mean of its last five decisions."""

    def __init__(self, days: int, rng: np.random.Generator) -> None:
        n = days + 2 * HORIZON
        seen = lfilter([np.sqrt(1 - MEMORY**2)], [1.0, -MEMORY], rng.normal(size=(n + 50, SYMBOLS)), axis=0)[50:]
        calm = np.exp(0.4 * lfilter([np.sqrt(1 - 0.98**2)], [1.0, -0.98], rng.normal(size=(n + 300, 1)), axis=0)[300:])
        common = DRIFT + calm * MARKET / np.sqrt(5 / 3) * rng.standard_t(5, (n, 1))
        moved = common + calm * OWN * rng.normal(size=seen.shape) + KNOWN * np.vstack([np.zeros(SYMBOLS), seen[:-1]])
        decided = (seen > 0.5).astype(np.float64)
        held = lfilter(np.full(HORIZON, 1 / HORIZON), [1.0], decided, axis=0)
        traded = np.abs(np.diff(held, axis=0))[HORIZON - 1 : -HORIZON].mean(axis=1)
        inside = slice(HORIZON, -HORIZON)
        self.market: Floats = moved[HORIZON + 1 : n - HORIZON + 1].mean(axis=1)
        self.daily: Floats = (held[inside] * moved[HORIZON + 1 : n - HORIZON + 1]).mean(axis=1) - COST * traded
        total = np.cumsum(moved, axis=0)
        forward = (total[HORIZON:] - total[:-HORIZON])[HORIZON : n - HORIZON]
        self.row_day: Ints = np.repeat(np.arange(days), SYMBOLS)
        self.made: Ints = np.flatnonzero(decided[inside].ravel())
        self.gross: Floats = forward.ravel()
        y = (forward > THRESHOLD).astype(np.float64)
        spread = np.sqrt(HORIZON) * np.hypot(MARKET, OWN)
        reach = KNOWN * (1 - MEMORY**HORIZON) / (1 - MEMORY)
        p = ndtr((HORIZON * DRIFT + reach * seen[inside] - THRESHOLD) / spread)
        prior = np.full(y.shape, ndtr((HORIZON * DRIFT - THRESHOLD) / spread))
        saved = log_losses(y.ravel(), prior.ravel()) - log_losses(y.ravel(), p.ravel())
        self.saved: Floats = saved.reshape(y.shape).mean(axis=1)


def _net(world: World) -> tuple[Interval, Floats, Floats]:
    return mean_of(world.daily).interval(), world.daily[:, None], world.daily


def _sharpe(world: World) -> tuple[Interval, Floats, Floats]:
    daily = world.daily
    return sharpe.estimate_of(daily).interval(), np.column_stack([daily, daily**2]), daily


def _alpha(world: World) -> tuple[Interval, Floats, Floats]:
    x, y = world.market, world.daily
    alpha, _, residual = line_of(y, x)
    return alpha.interval(), np.column_stack([x, y, x * x, x * y]), residual


def _gross(world: World) -> tuple[Interval, Floats, Floats]:
    return _by_decision(world, world.gross[world.made])


def _hits(world: World) -> tuple[Interval, Floats, Floats]:
    return _by_decision(world, (world.gross[world.made] > 0).astype(np.float64))


def _by_decision(world: World, values: Floats) -> tuple[Interval, Floats, Floats]:
    day = world.row_day[world.made]
    low, high = overlap_interval(day, values)
    assert low is not None and high is not None
    days = len(world.daily)
    parts = [np.bincount(day, weights=each, minlength=days) for each in (values, np.ones(len(day)))]
    sums = np.column_stack(parts).astype(np.float64)
    excess = sums[:, 0] - values.mean() * sums[:, 1]
    return (low, high), sums, excess


def _saved(world: World) -> tuple[Interval, Floats, Floats]:
    return mean_of(world.saved).interval(), world.saved[:, None], world.saved


def _mean(means: Floats) -> Floats:
    return means[..., 0]


def _ratio(means: Floats) -> Floats:
    result: Floats = means[..., 0] / means[..., 1]
    return result


def _mean_by_deviation(means: Floats) -> Floats:
    result: Floats = means[..., 0] / np.sqrt(means[..., 1] - means[..., 0] ** 2)
    return result


def _intercept(means: Floats) -> Floats:
    x, y, xx, xy = np.moveaxis(means, -1, 0)
    result: Floats = y - (xy - x * y) / (xx - x * x) * x
    return result


# Each statistic: the project's interval, daily columns and the series that sets the block; and what it is of the means
# of those columns.
STATISTICS: dict[str, tuple[Callable[[World], tuple[Interval, Floats, Floats]], Callable[[Floats], Floats]]] = {
    "net return per day": (_net, _mean),
    "Sharpe ratio": (_sharpe, _mean_by_deviation),
    "alpha beside always long": (_alpha, _intercept),
    "gross return per decision": (_gross, _ratio),
    "share of decisions won": (_hits, _ratio),
    "log-loss improvement": (_saved, _mean),
}


@cache
def truth() -> dict[str, float]:
    """The true value of each statistic: that of a million other days, 2,000 in a row."""
    worlds = [World(2_000, np.random.default_rng([seed, 0])) for seed in range(TRUE_DAYS // 2_000)]
    return {
        name: float(of(np.mean([columns(world)[1].mean(axis=0) for world in worlds], axis=0)))
        for name, (columns, of) in STATISTICS.items()
    }


def intervals(days: int, seed: int) -> dict[str, tuple[Interval, Interval]]:
    """The EWC and the bootstrap interval of each statistic in one world."""
    world = World(days, np.random.default_rng([seed, 1]))
    found = {}
    for name, (columns, of) in STATISTICS.items():
        ours, daily, leading = columns(world)
        resampled = StationaryBootstrap(block_length(leading, HORIZON), daily, seed=np.random.default_rng(seed))
        draws = of(resampled.apply(lambda x: x.mean(axis=0), REPETITIONS))
        low, high = np.quantile(draws, [0.025, 0.975])
        found[name] = ours, (float(low), float(high))
    return found


def main() -> None:
    """Print, for each statistic and both kinds of interval, how often it holds the truth and how wide it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.processes) as pool:
        found = list(pool.map(intervals, repeat(asked.days, asked.worlds), range(asked.worlds), chunksize=10))
    band = 196 * np.sqrt(0.95 * 0.05 / asked.worlds)
    print(f"{asked.worlds:,} worlds of {asked.days} days; band of a right one {95 - band:.1f} to {95 + band:.1f} %")
    print("| statistic | EWC | stationary bootstrap | width of EWC / bootstrap |")
    print("|---|--:|--:|--:|")
    for name, true in truth().items():
        bounds = np.array([each[name] for each in found])  # worlds, kinds, low and high
        held = 100 * ((bounds[:, :, 0] <= true) & (true <= bounds[:, :, 1])).mean(axis=0)
        ours, other = (bounds[:, :, 1] - bounds[:, :, 0]).mean(axis=0)
        print(f"| {name} | {held[0]:.1f} % | {held[1]:.1f} % | {ours / other:.2f} |")


if __name__ == "__main__":
    main()
