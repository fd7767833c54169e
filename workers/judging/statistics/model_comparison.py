"""Comparison of several models with a baseline by their losses, corrected for the number of models, by `arch`."""

from dataclasses import dataclass

import numpy as np
from arch.bootstrap import MCS, SPA

from workers.bars.series import Floats


@dataclass(frozen=True)
class Superior:
    """p of "no model is better than the baseline": Hansen's lower, consistent and upper values."""

    lower: float
    consistent: float
    upper: float


@dataclass(frozen=True)
class Confident:
    """The model confidence set: indices of the included models, and the p of every model."""

    included: tuple[int, ...]
    p: tuple[float, ...]


def spa(baseline: Floats, models: Floats, *, block: float, repetitions: int, seed: int) -> Superior:
    """Test superior predictive ability. Losses have shape (days,) for `baseline` and (days, models) for `models`.

    `block`: mean block length of the bootstrap, in days. Source: Hansen (2005).
    """
    test = SPA(baseline, models, block_size=round(block), reps=repetitions, seed=np.random.default_rng(seed))
    test.compute()
    return Superior(*(float(test.pvalues[name]) for name in ("lower", "consistent", "upper")))


def mcs(losses: Floats, *, size: float, block: float, repetitions: int, seed: int) -> Confident:
    """Compute the model confidence set at confidence `1 - size`. `losses` have shape (days, models).

    `block`: mean block length of the bootstrap, in days. Source: Hansen, Lunde and Nason (2011).
    """
    test = MCS(losses, size, reps=repetitions, block_size=round(block), seed=np.random.default_rng(seed))
    test.compute()
    p = test.pvalues["Pvalue"]
    return Confident(
        tuple(sorted(int(place) for place in test.included)),
        tuple(float(p.loc[place]) for place in range(losses.shape[1])),
    )
