"""Add new bars to stored ones: what is there stays, what is missing comes in, what the source has changed is named."""

from dataclasses import replace

import numpy as np

from workers.bars.series import COLUMNS, Floats, Ints, Series

# Stored prices went through one multiplication and one division.
SAME_RELATIVE = 1e-9
PRICE_DECIMALS = 8


def unadjusted(series: Series, factor: Floats) -> Series:
    """Bars as their source had them, from stored ones and the factor of each."""
    if (factor == 1).all():
        return series
    prices = {name: np.round(getattr(series, name) / factor, PRICE_DECIMALS) for name in COLUMNS if name != "volume"}
    return replace(series, **prices, volume=np.round(series.volume * factor, PRICE_DECIMALS))


def merge(stored: Series, new: Series) -> tuple[Series, Ints]:
    """All bars of both, sorted; where both have an instant the new bar counts.

    Returns the bars and the positions in `new` of those that differ from what was stored.
    """
    at = np.searchsorted(stored.timestamp, new.timestamp)
    known = np.zeros(len(new), dtype=bool)
    inside = at < len(stored)
    known[inside] = stored.timestamp[at[inside]] == new.timestamp[inside]
    differs = np.zeros(len(new), dtype=bool)
    for name in COLUMNS:
        old, now = getattr(stored, name)[at[known]], getattr(new, name)[known]
        differs[known] |= np.abs(old - now) > SAME_RELATIVE * np.abs(old)
    kept = np.ones(len(stored), dtype=bool)
    kept[at[known]] = False
    names = ("timestamp", "session", *COLUMNS)
    joined = {name: np.concatenate([getattr(stored, name)[kept], getattr(new, name)]) for name in names}
    order = np.argsort(joined["timestamp"], kind="stable")
    return Series(**{name: values[order] for name, values in joined.items()}), np.flatnonzero(differs)
