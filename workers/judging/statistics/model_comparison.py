"""Is any of several models better than a baseline, the trying of several allowed for? On losses, by `arch`."""

from dataclasses import dataclass

import numpy as np
from arch.bootstrap import MCS, SPA, StepM

from workers.bars.series import Floats


@dataclass(frozen=True)
class Superior:
    """p that no model is better: Hansen's lower, consistent and upper bound."""

    lower: float
    consistent: float
    upper: float


@dataclass(frozen=True)
class Confident:
    """Models that may be the best, by place, and each one's p."""

    included: tuple[int, ...]
    p: tuple[float, ...]


def spa(baseline: Floats, models: Floats, *, block: float, repetitions: int, seed: int) -> Superior:
    """Superior predictive ability. Losses: baseline (days,), models (days, models). Source: Hansen (2005)."""
    test = SPA(baseline, models, block_size=round(block), reps=repetitions, seed=np.random.default_rng(seed))
    test.compute()
    return Superior(*(float(test.pvalues[name]) for name in ("lower", "consistent", "upper")))


def stepm(
    baseline: Floats, models: Floats, *, block: float, repetitions: int, seed: int, size: float = 0.05
) -> tuple[int, ...]:
    """Places of the models that are better, errors over all of them bounded. Source: Romano and Wolf (2005)."""
    test = StepM(baseline, models, size, block_size=round(block), reps=repetitions, seed=np.random.default_rng(seed))
    try:
        test.compute()
    except ValueError as error:
        # arch (8.0) takes away model after model and trips over none being left: all of them are better.
        if "zero-size array" not in str(error):
            raise
        return tuple(range(models.shape[1]))
    return tuple(int(place) for place in test.superior_models)


def mcs(losses: Floats, *, size: float, block: float, repetitions: int, seed: int) -> Confident:
    """Model confidence set. Losses: (days, models). Source: Hansen, Lunde and Nason (2011)."""
    test = MCS(losses, size, reps=repetitions, block_size=round(block), seed=np.random.default_rng(seed))
    test.compute()
    p = test.pvalues["Pvalue"]
    return Confident(
        tuple(sorted(int(place) for place in test.included)),
        tuple(float(p.loc[place]) for place in range(losses.shape[1])),
    )
