"""The label that ranks: 1 if a symbol's forward return is above the median of the symbols that it is compared with.

These are the symbols with a label of the same span: decided at the same instant, with a horizon that ends at the same
instant. So a label is known when its own horizon ends. A symbol that misses a bar inside the horizon ends it later,
and is compared with those that end it with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.contract.window import MIN_RANKED_SYMBOLS
from workers.bars.series import Floats, Ints
from workers.features.cross_section import centred_ranks


@dataclass(frozen=True)
class Ranks:
    """Rank labels of one symbol, one value per label in each array.

    `rank` is the share of the other symbols with a lower return, 0 to 1, equal returns half; NaN where fewer than
    MIN_RANKED_SYMBOLS are compared, and such labels are not used. `above` is 1 if the return is above their median.
    """

    rank: Floats
    above: NDArray[np.int8]


def rank_labels(decided: Sequence[Ints], ended: Sequence[Ints], returns: Sequence[Floats]) -> list[Ranks]:
    """Rank labels of each symbol; arguments hold one array per symbol with one value per label.

    `decided` and `ended` are instants of the span. A return of NaN has no rank and does not count for the others.

    The median of an even number of returns is between the two in the middle, so half of them are above it. Returns
    that equal the median are not above it: with an odd number one less than half are.
    """
    lengths = [len(mine) for mine in returns]
    value = np.concatenate(list(returns))
    member = np.repeat(np.arange(len(lengths)), lengths)
    spans = np.stack([np.concatenate(list(decided)), np.concatenate(list(ended))], axis=1)
    _, span, sizes = np.unique(spans, axis=0, return_inverse=True, return_counts=True)
    kept = sizes[span] >= MIN_RANKED_SYMBOLS
    _, row = np.unique(span[kept], return_inverse=True)
    matrix = np.full((int(row.max(initial=-1)) + 1, len(lengths)), np.nan)
    matrix[row, member[kept]] = value[kept]
    rank, above = np.full(len(value), np.nan), np.zeros(len(value), dtype=np.int8)
    enough = np.isfinite(matrix).sum(axis=1)[row] >= MIN_RANKED_SYMBOLS
    known = enough & np.isfinite(value[kept])
    rank[kept] = np.where(known, centred_ranks(matrix)[row, member[kept]] + 0.5, np.nan)
    above[kept] = known & (value[kept] > _lower_median(matrix)[row])
    ends = np.cumsum(lengths)[:-1]
    return [Ranks(*both) for both in zip(np.split(rank, ends), np.split(above, ends), strict=True)]


def _lower_median(matrix: Floats) -> Floats:
    """Per row the median, or of an even number of values the lower of the two in the middle; NaN without values.

    A value is above the median exactly if it is above this one, which no rounding of a mean can change.
    """
    count = np.isfinite(matrix).sum(axis=1)
    middle = np.maximum(count - 1, 0) // 2
    result: Floats = np.sort(matrix, axis=1)[np.arange(len(matrix)), middle]
    return result
