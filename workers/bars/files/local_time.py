"""Converts between UTC and local time, day by day: offsets change on few days, so few are looked up."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workers.bars.series import Ints

DAY_US = 24 * 3600 * 10**6


@dataclass(frozen=True)
class Zone:
    """Turns written times into instants, as UTC microseconds. Times without an offset are local times of `own`.

    `name`: the zone of the sessions. `by_day`: the bars are of a day or a week, so their date is the date that is
    written, whatever its offset. `own`: the zone of a format whose times are not local times of `name`.
    """

    name: str
    by_day: bool = False
    own: str = ""

    def local(self, written: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Instants of times without an offset, and a mask of times that do not exist or exist twice."""
        if not self.by_day:
            return localise(written, self.own or self.name)
        instants = _latest(written, self.own or self.name)
        return self.dated(instants, written) if self.own else instants, np.zeros(len(written), dtype=np.bool_)

    def dated(self, instants: Ints, written: Ints) -> Ints:
        """Instants whose date in `name` is, if bars are `by_day`, that of the times `written` with their offsets.

        A time of day in UTC (18:30Z), or one that is midnight in `name`, is an instant: its date is that of `name`.
        """
        if not self.by_day:
            return instants
        is_instant = (written == instants) | (local_times(instants, self.name) % DAY_US == 0)
        return np.where(is_instant & (written % DAY_US != 0), instants, _latest(written, self.name))


def local_times(timestamp: Ints, timezone: str) -> Ints:
    """Local times of UTC microseconds, as microseconds since 1970 by the local clock."""

    def local(times: Ints) -> Ints:
        moments = pa.array(times, pa.timestamp("us", tz=timezone))
        return _numbers(pc.local_timestamp(moments))

    return timestamp + _shifts(timestamp, [local])[0]


def local_days(timestamp: Ints, timezone: str) -> Ints:
    """Local days of UTC microseconds, as days since 1970."""
    return local_times(timestamp, timezone) // DAY_US


def localise(naive: Ints, timezone: str) -> tuple[Ints, NDArray[np.bool_]]:
    """UTC microseconds of local times, and a mask of times that do not exist or exist twice, as clocks change."""
    earliest, latest = _shifts(naive, [_assume(timezone, "earliest"), _assume(timezone, "latest")])
    return naive + earliest, earliest != latest


def _latest(naive: Ints, timezone: str) -> Ints:
    """The same; the later of two, and for a time that does not exist the next that does: a midnight keeps its date."""
    return naive + _shifts(naive, [_assume(timezone, "latest")])[0]


def _assume(timezone: str, which: str) -> Callable[[Ints], Ints]:
    def utc(times: Ints) -> Ints:
        local = pa.array(times, pa.timestamp("us"))
        return _numbers(pc.assume_timezone(local, timezone, ambiguous=which, nonexistent=which))

    return utc


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
