"""Several models beside a baseline: pinned numbers, and models that are better or worse by construction."""

import numpy as np
import pytest

from workers.bars.series import Floats
from workers.judging.statistics.model_comparison import mcs, spa

SIZES = {"block": np.sqrt(500), "repetitions": 1000, "seed": 7}


def fifty_like(shift: float = 0.0) -> tuple[Floats, Floats]:
    """Losses of a baseline and of fifty models that are the same but for noise, the fourth's moved by `shift`."""
    rng = np.random.default_rng(1)
    baseline = rng.normal(size=500) ** 2
    models = np.column_stack([baseline + rng.normal(0, 0.5, 500) for _ in range(50)])
    models[:, 3] += shift
    return baseline, models


def test_fifty_equals_are_not_superior() -> None:
    """Noise alone: the three p are as measured."""
    found = spa(*fifty_like(), **SIZES)
    assert (found.lower, found.consistent, found.upper) == (0.328, 0.415, 0.417)


def test_the_one_that_is_better_is_found() -> None:
    """The fourth model's losses lowered by 0.15: all three p are 0."""
    found = spa(*fifty_like(-0.15), **SIZES)
    assert (found.lower, found.consistent, found.upper) == (0.0, 0.0, 0.0)


def test_worse_models_are_not_superior() -> None:
    """Higher losses are worse: a model that loses more is never called superior."""
    baseline, models = fifty_like()
    assert spa(baseline, models[:, :3] + 0.5, **SIZES).consistent > 0.5


def test_confidence_set_leaves_out_the_worse() -> None:
    """Over forty worlds: a model that loses half a unit more goes each time, two equals both stay nearly each time."""
    found = [
        mcs(
            np.random.default_rng(seed).normal(0.5 * (np.arange(3) == 1), 1, (500, 3)),
            size=0.05, block=10.0, repetitions=200, seed=seed,
        )
        for seed in range(40)
    ]  # fmt: skip
    assert all(1 not in each.included and each.p[1] < 0.05 and max(each.p) == 1.0 for each in found)
    assert 34 <= sum(each.included == (0, 2) for each in found) <= 40


def test_the_seed_decides() -> None:
    """The same seed gives the same numbers, another one others."""
    baseline, models = fifty_like()
    first, second = (spa(baseline, models, **SIZES) for _ in range(2))
    assert first == second
    assert spa(baseline, models, **SIZES | {"seed": 8}) != first


@pytest.mark.parametrize("block", [5.0, 40.0])
def test_blocks_reach_the_bootstrap(block: float) -> None:
    """Blocks of another length draw other samples."""
    assert spa(*fifty_like(), **SIZES | {"block": block}) != spa(*fifty_like(), **SIZES)
