"""The benchmark of coverage: its worlds have the truth that it counts, and the intervals are the project's own."""

import numpy as np
import pytest

from benchmarks.coverage import STATISTICS, World, intervals


def test_a_world_s_book_is_netted_and_pays_for_what_changes_hands() -> None:
    """Rows are as many as days and symbols; held all the time the book would be the market."""
    world = World(500, np.random.default_rng(1))
    assert len(world.daily) == len(world.market) == len(world.saved) == 500
    assert len(world.gross) == len(world.row_day) == 2_000
    assert 0.2 < len(world.made) / len(world.gross) < 0.45
    assert 0.1 < np.polyfit(world.market, world.daily, 1)[0] < 0.6


def test_both_intervals_hold_the_estimate() -> None:
    """In one world every interval holds what that world shows, the same for the same seed."""
    found = intervals(250, 3)
    assert found == intervals(250, 3)
    world = World(250, np.random.default_rng([3, 1]))
    for name, (columns, of) in STATISTICS.items():
        value = float(of(columns(world)[1].mean(axis=0)))
        for low, high in found[name]:
            assert low < value < high, name


def test_ewc_holds_a_known_mean() -> None:
    """Without cost, drift and knowledge the mean is 0: nine in ten of 60 worlds' intervals hold it, or more."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DRIFT", "KNOWN", "COST"):
            patch.setattr(f"benchmarks.coverage.{name}", 0.0)
        net = STATISTICS["net return per day"][0]
        bounds = [net(World(250, np.random.default_rng(seed)))[0] for seed in range(60)]
    assert sum(low < 0 < high for low, high in bounds) >= 52
