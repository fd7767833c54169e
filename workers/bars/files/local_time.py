"""Converts between UTC and local time, day by day: offsets change on few days, so few are looked up."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workers.bars.series import Ints

DAY_US = 24 * 3600 * 10**6


def local_days(timestamp: Ints, timezone: str) -> Ints:
    """Local days of UTC microseconds, as days since 1970."""

    def local(times: Ints) -> Ints:
        moments = pa.array(times, pa.timestamp("us", tz=timezone))
        return _numbers(pc.local_timestamp(moments))

    return (timestamp + _shifts(timestamp, [local])[0]) // DAY_US


def localise(naive: Ints, timezone: str) -> tuple[Ints, NDArray[np.bool_]]:
    """UTC microseconds of local times, and a mask of times that do not exist or exist twice, as clocks change."""

    def assume(which: str) -> Callable[[Ints], Ints]:
        def utc(times: Ints) -> Ints:
            local = pa.array(times, pa.timestamp("us"))
            return _numbers(pc.assume_timezone(local, timezone, ambiguous=which, nonexistent=which))

        return utc

    earliest, latest = _shifts(naive, [assume("earliest"), assume("latest")])
    return naive + earliest, earliest != latest


def _shifts(times: Ints, ways: list[Callable[[Ints], Ints]]) -> list[Ints]:
    """What each conversion adds to each time: looked up per day if it is constant on that day, else per time."""
    day = times // DAY_US
    first = np.flatnonzero(np.diff(day, prepend=day[:1] - 1))
    lengths = np.diff(first, append=len(day))
    edges = [day[first] * DAY_US, day[first] * DAY_US + DAY_US - 1]
    found = np.array([way(edge) - edge for way in ways for edge in edges])
    mixed = np.repeat((found != found[0]).any(axis=0), lengths)
    shifts = [np.repeat(found[0], lengths) for _ in ways]
    if mixed.any():
        for shift, way in zip(shifts, ways, strict=True):
            shift[mixed] = way(times[mixed]) - times[mixed]
    return shifts


def _numbers(times: pa.Array) -> Ints:
    return np.asarray(times.cast(pa.int64()))
