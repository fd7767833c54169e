"""Merges new bars into stored ones and reports bars that the source has changed."""

from dataclasses import replace

import numpy as np

from workers.bars.series import COLUMNS, Floats, Ints, Series

# A stored price was multiplied by a factor and divided by it again.
SAME_RELATIVE = 1e-9
PRICE_DECIMALS = 8


def unadjusted(series: Series, factor: Floats) -> Series:
    """Bars before adjustment, from stored bars and each bar's factor."""
    if (factor == 1).all():
        return series
    prices = {name: np.round(getattr(series, name) / factor, PRICE_DECIMALS) for name in COLUMNS if name != "volume"}
    return replace(series, **prices, volume=np.round(series.volume * factor, PRICE_DECIMALS))


def merge(stored: Series, new: Series) -> tuple[Series, Ints]:
    """All bars of both, sorted; the new bar replaces the stored one of the same instant.

    Returns the bars, and the positions in `new` of bars that differ from the stored ones.
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
