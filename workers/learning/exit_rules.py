"""Exit rules: when and at what price a labelled trade ends. Each registers under its name in the setting `label`.

A label of a plug-in is such a rule, too, which decides labels by itself (`workers/learning/plugged_label.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from schemas.config.training import TrainingSettings
from workers.bars.series import Floats, Ints, Series


class Barrier(IntEnum):
    """What ended a label: the horizon, the take-profit above or the stop-loss below."""

    HORIZON = 0
    UPPER = 1
    LOWER = 2


@dataclass(frozen=True)
class Trades:
    """Trades to find the ends of; one value per trade in each array.

    `t0` is the bar of the decision, `price` the entry's, `spread` the volatility over the horizon as a fraction.
    """

    series: Series
    t0: Ints
    price: Floats
    spread: Floats
    settings: TrainingSettings


@dataclass(frozen=True)
class Exits:
    """Where and at what price each trade ends, and what ended it; `tie` marks a bar that touched both barriers.

    `y` is the label of each trade, NaN for one that has none; None where the trade's return decides its class.
    """

    bar: Ints
    price: Floats
    barrier: NDArray[np.int8]
    tie: NDArray[np.bool_]
    y: Floats | None = None


@dataclass(frozen=True)
class ExitRule:
    """A rule for the ends of trades. With `needs_volatility`, bars whose volatility is unknown or 0 have no label."""

    exits: Callable[[Trades], Exits]
    needs_volatility: bool


EXIT_RULES: dict[str, ExitRule] = {}


def exit_rule(name: str, *, needs_volatility: bool) -> Callable[[Callable[[Trades], Exits]], Callable[[Trades], Exits]]:
    """Register the decorated function as the rule of labels of kind `name`. ValueError if the name is taken."""

    def register(exits: Callable[[Trades], Exits]) -> Callable[[Trades], Exits]:
        if name in EXIT_RULES:
            raise ValueError(f"label {name!r} is already registered")
        EXIT_RULES[name] = ExitRule(exits, needs_volatility)
        return exits

    return register


@exit_rule("return", needs_volatility=False)
@exit_rule("fixed", needs_volatility=False)
def at_horizon(trades: Trades) -> Exits:
    """End every trade at the close of the horizon's last bar."""
    bar = trades.t0 + trades.settings.horizon_bars
    barrier = np.full(len(bar), Barrier.HORIZON, dtype=np.int8)
    return Exits(bar, trades.series.close[bar], barrier, np.zeros(len(bar), dtype=np.bool_))


@exit_rule("rank", needs_volatility=False)
def before_ranking(trades: Trades) -> Exits:
    """End every trade at the horizon, each of class 0 until `history.prepare_panel` has compared the symbols."""
    return replace(at_horizon(trades), y=np.zeros(len(trades.t0)))


@exit_rule("triple-barrier", needs_volatility=True)
def at_first_barrier(trades: Trades) -> Exits:
    """End each trade at the lower barrier, the upper one or the horizon, whichever comes first.

    An open beyond a barrier is the exit's price. Source: Lopez de Prado, Advances in Financial Machine Learning, 3.4.
    """
    series, price, spread, settings = trades.series, trades.price, trades.spread, trades.settings
    upper, lower = price * (1.0 + settings.take_profit * spread), price * (1.0 - settings.stop_loss * spread)
    exits = at_horizon(trades)
    last = exits.bar.copy()
    bar, alive = trades.t0 + 1, np.arange(len(trades.t0))
    while len(alive):
        # The open of the entry bar is the entry's price, between the barriers. No price reaches a barrier below 0.
        opening, above, below = series.open[bar], upper[alive], lower[alive]
        gap_down, gap_up = opening <= below, opening >= above
        gap = gap_down | gap_up
        stopped = gap_down | (~gap & (series.low[bar] <= below))
        reached = ~gap_down & (gap_up | (series.high[bar] >= above))
        done = stopped | reached
        ended = alive[done]
        exits.bar[ended] = bar[done]
        exits.price[ended] = np.where(gap, opening, np.where(stopped, below, above))[done]
        exits.barrier[ended] = np.where(stopped, Barrier.LOWER, Barrier.UPPER)[done]
        exits.tie[ended] = (stopped & reached)[done]
        still = ~done & (bar < last[alive])
        bar, alive = bar[still] + 1, alive[still]
    return exits
