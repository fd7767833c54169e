"""The universe by date beside bars: on which bars a symbol belongs."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from schemas.contract.universe import Universe
from schemas.files.universe import stored_universe
from workers.bars.calendar import day_number
from workers.bars.series import Series
from workers.side.store import data_dir_here


def with_members(symbol: str, series: Series, members: str | None) -> Series:
    """Bars that know on which of them their symbol belongs to the universe of that digest; None: on all.

    DataError where the universe is missing or damaged.
    """
    return series if members is None else marked(symbol, series, _stored(members, data_dir_here()))


def marked(symbol: str, series: Series, universe: Universe) -> Series:
    """Bars that know on which of them their symbol belongs to a universe."""
    member = np.zeros(len(series), dtype=np.bool_)
    for stay in universe.stays.get(symbol, ()):
        until = len(series) if stay.until is None else int(np.searchsorted(series.session, day_number(stay.until)))
        member[int(np.searchsorted(series.session, day_number(stay.first))) : until] = True
    return replace(series, member=member)


@lru_cache(maxsize=4)
def _stored(sha256: str, data_dir: str) -> Universe:
    return stored_universe(data_dir, sha256)
