"""Weights of the newest bars' decisions in the book that was judged: shares of the capital, held until labels end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.contract.window import MIN_RANKED_SYMBOLS
from workers.bars.series import Floats, Ints
from workers.features.cross_section import centred_ranks


@dataclass(frozen=True)
class Scored:
    """Predictions of symbols' newest bars; arrays have shape (symbols,).

    `prior`: each symbol's base rate, or historical mean. `above`: prediction above which a trade pays, infinite if none
    does. `bar`: the newest bars in microseconds since 1970. `is_served`: whether the release has the symbol among its
    own, not as one that its students have not seen.
    """

    prediction: Floats
    prior: Floats
    above: Floats
    bar: Ints
    is_served: Sequence[bool]


def long_weights(scored: Scored, horizon_bars: int, symbols: int) -> list[float | None]:
    """Each symbol's equal share where its trade pays, else 0; None for a symbol that is not of the book's `symbols`."""
    share = 1.0 / (horizon_bars * symbols)
    pays = (scored.prediction > scored.above).tolist()
    return [share * pay if mine else None for pay, mine in zip(pays, scored.is_served, strict=True)]


def long_short_weights(scored: Scored, horizon_bars: int) -> tuple[list[float | None], str]:
    """Weights by rank among the served symbols' predictions for the newest bar, below 0 for short; and a sentence.

    None for a symbol that is not ranked: it is not served, or its newest bar is older. As in the judged book a student
    that adds nothing to the base rate, or makes no trade, holds nothing.
    """
    served = np.array(scored.is_served)
    of_book = served & (scored.bar == scored.bar.max(initial=0, where=served))
    is_idle = (scored.prediction == scored.prior) | np.isinf(scored.above)
    known = of_book & ~is_idle
    rank = centred_ranks(np.where(known, scored.prediction, np.nan)[None, :])[0]
    size = float(np.abs(rank).sum())
    weight = rank / (size * horizon_bars) if size else np.zeros(len(rank))
    weights = [value if ranked else None for value, ranked in zip(weight.tolist(), of_book.tolist(), strict=True)]
    return weights, _sentence(int(known.sum()), bool(size), horizon_bars)


def _sentence(count: int, is_held: bool, horizon_bars: int) -> str:
    if is_held:
        return (
            f"weights are shares of the capital, held for {horizon_bars} bars: half long, half short, by rank among the"
            f" {count} symbols whose students differ from their base rates on the newest bar"
        )
    if count >= MIN_RANKED_SYMBOLS:
        return f"nothing is held: all {count} predictions for the newest bar are equal"
    return (
        f"nothing is held: ranks need {MIN_RANKED_SYMBOLS} symbols whose students differ from their base rates on the"
        f" newest bar, there are {count}"
    )
