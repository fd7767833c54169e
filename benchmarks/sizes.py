"""How often each displayed p value is below its level where its hypothesis is true.

    python -m benchmarks.sizes                       # the table in docs/judgement.md
    python -m benchmarks.sizes --worlds 200 --test "Diebold-Mariano"

A world has labels of five overlapping days, shared shocks between symbols, and forecasts that persist for days.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr, ndtri

from workers.bars.series import Floats, Ints
from workers.judging.statistics.calibration import beside_by_day, spiegelhalter_by_day
from workers.judging.statistics.diebold_mariano import diebold_mariano
from workers.judging.statistics.model_comparison import mcs, spa
from workers.judging.statistics.permutation import permute
from workers.scoring.ewc import line_of
from workers.scoring.log_loss import log_losses

DAYS, SYMBOLS, HORIZON, MEMORY, BELIEVED = 750, 4, 5, 0.8, 0.3
REPETITIONS = 500


def _persistent(rng: np.random.Generator, columns: int) -> Floats:
    """Series of deviation 1 that keep 0.8 of themselves per day, shape (days, columns)."""
    noise = rng.normal(size=(DAYS + 50, columns))
    result: Floats = lfilter([np.sqrt(1 - MEMORY**2)], [1.0, -MEMORY], noise, axis=0)[50:]
    return result


def _overlapping(rng: np.random.Generator) -> Floats:
    """Sums of five days' shocks, of deviation 1, a third of their variance shared, shape (days, symbols)."""
    days = DAYS + HORIZON - 1
    shocks = np.sqrt(1 / 3) * rng.normal(size=(days, 1)) + np.sqrt(2 / 3) * rng.normal(size=(days, SYMBOLS))
    result: Floats = lfilter(np.ones(HORIZON) / np.sqrt(HORIZON), [1.0], shocks, axis=0)[HORIZON - 1 :]
    return result


def _losses(rng: np.random.Generator, forecasts: int) -> Floats:
    """Daily mean log losses of forecasts without skill, shape (days, forecasts): all expect the same."""
    y = (_overlapping(rng) < 0).astype(np.float64)
    p = [ndtr(BELIEVED * _persistent(rng, SYMBOLS)) for _ in range(forecasts)]
    return np.stack([log_losses(y.ravel(), each.ravel()).reshape(y.shape).mean(axis=1) for each in p], axis=1)


def _label_permutation(rng: np.random.Generator, seed: int) -> float:
    p, y = ndtr(BELIEVED * _persistent(rng, SYMBOLS)), (_overlapping(rng) < 0).astype(np.float64)
    return permute(np.log(2 * p), np.log(2 * (1 - p)), y, min_shift=HORIZON, repetitions=999, seed=seed).p


def _alpha(rng: np.random.Generator, seed: int) -> float:
    """A book that holds part of a market with fat tails, by a forecast that knows nothing."""
    market = 0.01 * rng.standard_t(5, DAYS)
    held = ndtr(_persistent(rng, 1)[:, 0])
    return line_of(held * market + 0.005 * rng.standard_t(5, DAYS), market)[0].p_above(0.0)


def _diebold_mariano(rng: np.random.Generator, seed: int) -> float:
    losses = _losses(rng, 2)
    return diebold_mariano(losses[:, 0], losses[:, 1]).p


def _spiegelhalter(rng: np.random.Generator, seed: int) -> float:
    """Calibrated probabilities: labels are drawn with them."""
    p = ndtr(BELIEVED * _persistent(rng, SYMBOLS) - 0.5)
    y = (_overlapping(rng) < ndtri(p)).astype(np.float64)
    day: Ints = np.repeat(np.arange(DAYS), SYMBOLS)
    return spiegelhalter_by_day(y.ravel(), p.ravel(), day).p


def _estimated(rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Ints]:
    """Labels, probabilities, base rates and days: what students add is right, base rates are of 250 earlier days."""
    rate = ndtr(-0.5 / np.sqrt(1 + BELIEVED**2))
    earlier = _overlapping(rng)[:250] < ndtri(rate)
    estimated = np.broadcast_to(earlier.mean(axis=0), (DAYS, SYMBOLS))
    adds = BELIEVED * _persistent(rng, SYMBOLS)
    y = (_overlapping(rng) < adds - 0.5).astype(np.float64)
    p = ndtr(adds + np.sqrt(1 + BELIEVED**2) * ndtri(estimated))
    day: Ints = np.repeat(np.arange(DAYS), SYMBOLS)
    return y.ravel(), p.ravel(), estimated.ravel(), day


def _beside(rng: np.random.Generator, seed: int) -> float:
    return beside_by_day(*_estimated(rng)).p


def _spiegelhalter_estimated(rng: np.random.Generator, seed: int) -> float:
    """Its hypothesis is not true here: it has the base rate right."""
    y, p, _, day = _estimated(rng)
    return spiegelhalter_by_day(y, p, day).p


def _spa(rng: np.random.Generator, seed: int) -> float:
    losses = _losses(rng, 4)
    block = float(np.sqrt(DAYS))
    return spa(losses[:, 0], losses[:, 1:], block=block, repetitions=REPETITIONS, seed=seed).consistent


def _mcs(rng: np.random.Generator, seed: int) -> float:
    """The p of one of four equal models: it is left out of the 95 % set in 5 % of worlds at most."""
    losses = _losses(rng, 4)
    return mcs(losses, size=0.05, block=float(np.sqrt(DAYS)), repetitions=REPETITIONS, seed=seed).p[0]


TESTS: dict[str, tuple[Callable[[np.random.Generator, int], float], float]] = {
    "label permutation": (_label_permutation, 0.01),
    "alpha beside always long": (_alpha, 0.05),
    "Diebold-Mariano": (_diebold_mariano, 0.05),
    "Spiegelhalter's z": (_spiegelhalter, 0.05),
    "Spiegelhalter's z, base rates estimated": (_spiegelhalter_estimated, 0.05),
    "calibration beside the base rate": (_beside, 0.05),
    "superior predictive ability": (_spa, 0.05),
    "model confidence set": (_mcs, 0.05),
}


def p_of(test: str, seed: int) -> float:
    """The p of one world."""
    return TESTS[test][0](np.random.default_rng(seed), seed)


def main() -> None:
    """Print the size of each test, and the band in which 95 % of measurements of a right test lie."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--test", choices=TESTS, action="append")
    asked = parser.parse_args()
    print("| test | level | worlds | p below it | 95 % band of a right test |")
    print("|---|--:|--:|--:|--:|")
    with ProcessPoolExecutor(asked.processes) as pool:
        for name in asked.test or TESTS:
            level = TESTS[name][1]
            found = np.array(list(pool.map(p_of, repeat(name, asked.worlds), range(asked.worlds), chunksize=20)))
            half = 1.96 * np.sqrt(level * (1 - level) / asked.worlds)
            print(
                f"| {name} | {100 * level:g} % | {asked.worlds:,} | {100 * (found <= level).mean():.1f} % |"
                f" {100 * (level - half):.1f} to {100 * (level + half):.1f} % |",
                flush=True,
            )


if __name__ == "__main__":
    main()
