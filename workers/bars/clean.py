"""Cleans a source's rows: finite values, in time order, one bar per instant; findings name every other row."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from schemas.contract.quality import Check, Finding, Verdict
from workers.bars.files.faults import Faults
from workers.bars.files.local_time import local_days
from workers.bars.raw_bars import CleanBars, Locate, RawBars
from workers.bars.series import ALWAYS, COLUMNS, Floats, Ints, Series

# 1900-01-01 in UTC, as microseconds since 1970.
EARLIEST = int(np.datetime64("1900-01-01", "us").astype(np.int64))


def clean(raw: RawBars, timezone: str) -> CleanBars:
    """Sort bars, keep one per instant, and set their session to the local day of `timezone`.

    Rows with impossible values and repetitions are left out. Of rows with different values for one instant, the first
    in the source's order is kept, and the finding rejects the symbol.
    """
    faults = Faults()
    rows = _in_order(raw, _recent(raw, _sound(raw, faults), faults), timezone, faults)
    rows = _one_per_instant(raw, rows, timezone, faults)
    times = np.ascontiguousarray(raw.timestamp[rows], dtype=np.int64)
    # Adding 0 turns -0.0 into 0.0: equal volumes must be equal bytes.
    values = {name: np.asarray(raw.values[name], dtype=np.float64)[rows] + 0.0 for name in COLUMNS}
    findings = raw.findings + faults.findings()
    if not len(rows) and not findings:
        nothing = "contains no bars; remove it, or add bars"
        findings = [Finding(check=Check.NO_BARS, verdict=Verdict.REJECT, count=1, where=raw.locate(0), detail=nothing)]
    return CleanBars(
        Series(times, local_days(times, timezone), member=ALWAYS, **values),
        _through(raw.locate, rows),
        findings,
    )


def to_table(series: Series, factor: Floats) -> pa.Table:
    """The stored form: timestamp (UTC microseconds), session (local date), OHLCV and the adjustment factor."""
    columns = {
        "timestamp": pa.array(series.timestamp, pa.timestamp("us", tz="UTC")),
        "session": pa.array(series.session.astype(np.int32), pa.date32()),
    }
    values = {name: pa.array(getattr(series, name), pa.float64()) for name in COLUMNS}
    return pa.table(columns | values | {"factor": pa.array(factor, pa.float64())})


def _sound(raw: RawBars, faults: Faults) -> Ints:
    """Rows whose prices are above 0 and whose volume is at least 0, all finite."""
    # Comparisons with NaN are false.
    above = {name: raw.values[name] >= 0 if name == "volume" else raw.values[name] > 0 for name in COLUMNS}
    bad = ~np.array([above[name] & (raw.values[name] < np.inf) for name in COLUMNS])
    rows, columns = np.nonzero(bad.T)

    def describe(place: int) -> tuple[str, str]:
        row, name = int(rows[place]), COLUMNS[columns[place]]
        expected = "a number of at least 0" if name == "volume" else "a price above 0"
        return raw.locate(row), f"{name} is {raw.values[name][row]:g}, not {expected}; correct or remove the row"

    faults.add_many(Check.BAD_CELL, len(rows), describe)
    return np.flatnonzero(~bad.any(axis=0))


def _recent(raw: RawBars, rows: Ints, faults: Faults) -> Ints:
    """Rows of 1900 or later; no source has older bars, and a year such as 24 is 2024 cut short."""
    old = raw.timestamp[rows] < EARLIEST

    def describe(place: int) -> tuple[str, str]:
        row = int(rows[np.flatnonzero(old)[place]])
        year = np.datetime64(int(raw.timestamp[row]), "us").astype("datetime64[Y]")
        return raw.locate(row), f"timestamp is of the year {year}, before 1900; correct or remove the row"

    faults.add_many(Check.BAD_CELL, int(old.sum()), describe)
    return rows[~old]


def _in_order(raw: RawBars, rows: Ints, timezone: str, faults: Faults) -> Ints:
    """Rows sorted by time; rows of one instant keep the source's order."""
    times = raw.timestamp[rows]
    back = np.flatnonzero(times[1:] < times[:-1]) + 1

    def describe(place: int) -> tuple[str, str]:
        row = int(rows[back[place]])
        stamp = _local(raw, row, timezone)
        return raw.locate(row), f"timestamp {stamp} is earlier than the one before it; the rows were sorted"

    faults.add_many(Check.UNSORTED, len(back), describe, verdict=Verdict.WARN, named=1)
    return rows[np.argsort(times, kind="stable")] if len(back) else rows


def _one_per_instant(raw: RawBars, rows: Ints, timezone: str, faults: Faults) -> Ints:
    """The first row of each instant."""
    times = raw.timestamp[rows]
    again = np.flatnonzero(times[1:] == times[:-1]) + 1
    if not len(again):
        return rows
    is_first = np.ones(len(rows), dtype=bool)
    is_first[again] = False
    first = rows[np.maximum.accumulate(np.where(is_first, np.arange(len(rows)), 0))[again]]
    other = rows[again]
    same = np.all([raw.values[name][first] == raw.values[name][other] for name in COLUMNS], axis=0)

    def repetition(place: int) -> tuple[str, str]:
        row, kept = other[same][place], first[same][place]
        return raw.locate(
            row
        ), f"repeats the bar of {_local(raw, row, timezone)} at {raw.locate(kept)}; the row was left out"

    def conflict(place: int) -> tuple[str, str]:
        row, kept = other[~same][place], first[~same][place]
        stamp = _local(raw, row, timezone)
        return raw.locate(row), f"has other values for {stamp} than {raw.locate(kept)}; keep the correct row of the two"

    faults.add_many(Check.DUPLICATE, int(same.sum()), repetition, verdict=Verdict.WARN, named=1)
    faults.add_many(Check.CONFLICTING_DUPLICATE, int((~same).sum()), conflict)
    return rows[is_first]


def _local(raw: RawBars, row: int, timezone: str) -> str:
    stamp = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(raw.timestamp[row]))
    return stamp.astimezone(ZoneInfo(timezone)).isoformat()


def _through(locate: Locate, rows: Ints) -> Locate:
    return lambda row: locate(int(rows[row]))
