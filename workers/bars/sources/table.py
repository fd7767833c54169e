"""From columns as read to bars as stored: one instant each, sorted, unique, finite; or an error with file and line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import DataError
from workers.bars.series import COLUMNS

TIME_NAMES = ("timestamp", "datetime", "date", "time")

Locate = Callable[[int], str]  # row number from 0 -> "FILE line N"


def rename_columns(names: list[str], path: Path) -> dict[str, str]:
    """Map each needed column to its name in the file, case ignored; DataError names what is missing."""
    lower = {name.strip().lower(): name for name in names}
    if len(lower) < len(names):
        twice = next(name for name in names if [n.strip().lower() for n in names].count(name.strip().lower()) > 1)
        raise DataError(f"{path} line 1: column {twice} is there twice; keep one")
    time_name = next((name for name in TIME_NAMES if name in lower), None)
    missing = [name for name in COLUMNS if name not in lower] + ([] if time_name else ["timestamp"])
    if missing:
        raise DataError(
            f"{path} line 1: column {', '.join(sorted(missing))} is missing; needed are timestamp, {', '.join(COLUMNS)}"
        )
    return {"timestamp": lower[str(time_name)]} | {name: lower[name] for name in COLUMNS}


def instants(column: pa.ChunkedArray, timezone: str, locate: Locate) -> pa.ChunkedArray:
    """Timestamps as UTC microseconds: those with an offset as they are, naive ones in `timezone`."""
    if pa.types.is_timestamp(column.type):
        micro = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
        return micro.cast(pa.timestamp("us", tz="UTC")) if column.type.tz else _localise(micro, timezone, locate)
    if pa.types.is_date(column.type):
        return _localise(column.cast(pa.timestamp("us")), timezone, locate)
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    with_offset = pc.match_substring_regex(text, r"\d[T ]\d.*(Z|[+-]\d\d:?\d\d)$")
    if pc.all(with_offset).as_py():
        return _parse(text, pa.timestamp("us", tz="UTC"), locate)
    if pc.any(with_offset).as_py():
        fewer_have_it = 2 * pc.sum(with_offset).as_py() < len(text)
        row = with_offset.combine_chunks().index(fewer_have_it).as_py()
        raise DataError(f"{locate(row)}: some timestamps carry an offset and some do not ({text[row]}); use one form")
    return _localise(_parse(text, pa.timestamp("us"), locate), timezone, locate)


def _parse(text: pa.ChunkedArray, kind: pa.DataType, locate: Locate) -> pa.ChunkedArray:
    try:
        return text.cast(kind)
    except pa.ArrowInvalid:
        for row, value in enumerate(text):
            try:
                pa.chunked_array([[value.as_py()]], pa.string()).cast(kind)
            except pa.ArrowInvalid:
                raise DataError(
                    f"{locate(row)}: {value.as_py()!r} is not a timestamp; use YYYY-MM-DD[THH:MM:SS[+HH:MM]]"
                ) from None
        raise


def _localise(naive: pa.ChunkedArray, timezone: str, locate: Locate) -> pa.ChunkedArray:
    try:
        return pc.assume_timezone(naive, timezone).cast(pa.timestamp("us", tz="UTC"))
    except pa.ArrowInvalid:
        for row, value in enumerate(naive):
            try:
                pc.assume_timezone(value, timezone)
            except pa.ArrowInvalid:
                why = f"{value.as_py()} is no single instant in {timezone} (clocks change); write it with an offset"
                raise DataError(f"{locate(row)}: {why}") from None
        raise


def bars_table(timestamp: pa.ChunkedArray, columns: dict[str, Any], timezone: str, locate: Locate) -> pa.Table:
    """The stored form: timestamp (UTC), session (local date), OHLCV as float64. DataError at the first bad row."""
    times = timestamp.combine_chunks() if isinstance(timestamp, pa.ChunkedArray) else timestamp
    values = {name: np.asarray(columns[name], dtype=np.float64) for name in COLUMNS}
    _check(times, values, timezone, locate)
    session = pc.local_timestamp(times.cast(pa.timestamp("us", tz=timezone))).cast(pa.date32(), safe=False)
    return pa.table({"timestamp": times, "session": session, **values})


def _check(times: pa.Array, values: dict[str, np.ndarray], timezone: str, locate: Locate) -> None:
    if not len(times):
        raise DataError(f"{locate(0)}: holds no bars")
    for name, column in values.items():
        bad = ~np.isfinite(column) | (column < 0 if name == "volume" else column <= 0)
        if bad.any():
            row = int(bad.argmax())
            expected = "a number of at least 0" if name == "volume" else "a price above 0"
            raise DataError(f"{locate(row)}: {name} is {column[row]:g}, not {expected}; correct or remove the row")
    crossed = values["high"] < values["low"]
    if crossed.any():
        row = int(crossed.argmax())
        raise DataError(
            f"{locate(row)}: high {values['high'][row]:g} is below low {values['low'][row]:g}; correct the row"
        )
    steps = np.diff(np.asarray(times.cast(pa.int64())))
    if (steps <= 0).any():
        row = int((steps <= 0).argmax()) + 1
        what = "repeats the one before it" if steps[row - 1] == 0 else "is earlier than the one before it"
        local = times[row].as_py().astimezone(ZoneInfo(timezone)).isoformat()
        raise DataError(f"{locate(row)}: timestamp {local} {what}; keep one row a bar, oldest first")
