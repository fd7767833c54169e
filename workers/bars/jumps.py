"""Jumps of prices between sessions that look like corporate actions: where they are, and which action would fit."""

import numpy as np

from workers.bars.series import Floats, Ints, Series

# The usual daily price band is 20 %; larger moves are rare enough to be checked by hand.
LARGE = 0.25
# Usual splits and bonus issues, as new shares for old ones. A demerger has any ratio, so others are not suggested.
USUAL = (*((new, 1) for new in (2, 3, 4, 5, 10, 20, 25, 50, 100)), (3, 2), (5, 2), (4, 3), (5, 4), (6, 5))
# Bonuses of 1:3, 1:4 and 1:5 move prices less than LARGE.
SMALL = ((4, 3), (5, 4), (6, 5))
# The market moves as well on the day of a split.
WITHIN = 0.03
# A small gap after a longer absence is a move of several days; weekly bars follow each other by up to 11.
NIGHT_DAYS = 11


def jumps(series: Series) -> Ints:
    """First bars of the sessions that open more than 25 % from the previous close, or where a small bonus would."""
    rows, ratios = _openings(series)
    small = (np.diff(series.session)[rows - 1] <= NIGHT_DAYS) & _fits_small(ratios)
    found: Ints = rows[(np.abs(ratios - 1) > LARGE) | small]
    return found


def opening_ratio(series: Series, row: int) -> float:
    """The open of a session's first bar divided by the close before."""
    return float(series.open[row] / series.close[row - 1])


def usual_split(ratio: float) -> str | None:
    """The usual split or bonus whose factor is nearest to an opening ratio and within 3 % of it: `split,5:1`."""
    pairs = [pair for new, old in USUAL for pair in ((new, old), (old, new))]
    new, old = min(pairs, key=lambda pair: abs(ratio * pair[0] / pair[1] - 1))
    return f"split,{new}:{old}" if abs(ratio * new / old - 1) <= WITHIN else None


def _openings(series: Series) -> tuple[Ints, Floats]:
    rows = np.flatnonzero(np.diff(series.session)) + 1
    return rows, series.open[rows] / series.close[rows - 1]


def _fits_small(ratios: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    factors = np.array([old / new for new, old in SMALL])
    fits: np.ndarray[tuple[int], np.dtype[np.bool_]] = (np.abs(ratios[:, None] / factors - 1) <= WITHIN).any(axis=1)
    return fits
