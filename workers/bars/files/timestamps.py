"""Converts timestamps, as files write them, to instants."""

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workers.bars.files.date_formats import as_iso
from workers.bars.files.local_time import Zone, local_times
from workers.bars.series import Ints

UTC = pa.timestamp("us", tz="UTC")
NAIVE = pa.timestamp("us")

# The forms that pyarrow accepts; it also rejects days and hours that do not exist.
_SHAPE = r"^\d{4}-\d\d-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d{1,6})?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?$"
_OFFSET = r"\d[T ]\d.*(Z|[+-]\d\d(:?\d\d)?)$"
_OFFSET_ALONE = r"(Z|[+-]\d\d(:?\d\d)?)$"

# The years 2 to 9998, so that a day in any time zone has a date.
FIRST_US, LAST_US = -62_104_060_800_000_000, 253_370_764_799_999_999

# The digits of an epoch in seconds, milliseconds, micro- and nanoseconds, in this century.
_EPOCHS = (10, 13, 16, 19)

Problems = dict[int, str]  # row -> what is wrong with its timestamp


def kind_of(stamp: str) -> pa.DataType:
    """The pyarrow type for timestamps like this one: with a UTC offset or without."""
    return UTC if re.search(_OFFSET, stamp) else NAIVE


def is_iso(stamp: str) -> bool:
    """Whether pyarrow reads timestamps like this one."""
    return bool(re.match(_SHAPE, stamp.strip()))


def instants(stamps: pa.Array, clocks: pa.Array | None, form: str, zone: Zone) -> tuple[Ints, Problems]:
    """Instants as UTC microseconds of text in the form `form` of strptime, or "" for a form that shows itself.

    `clocks`: times of day of stamps that are dates. 0 for a row with a problem.
    """
    if clocks is None and not form and (epochs := _epochs(stamps)) is not None:
        return zone.dated(epochs, epochs), {}
    return from_text(as_iso(stamps.fill_null(""), clocks, form), zone)


def _epochs(stamps: pa.Array) -> Ints | None:
    """Instants of text that is an epoch in every row, in seconds, milliseconds, micro- or nanoseconds; else None."""
    digits = len(str(stamps[0])) if len(stamps) else 0
    if digits not in _EPOCHS or not pc.all(pc.match_substring_regex(stamps, rf"^\d{{{digits}}}$")).as_py():
        return None
    if stamps.null_count or (digits == 19 and pc.max(stamps).as_py() > "9223372036854775807"):
        return None
    numbers: Ints = np.asarray(stamps.cast(pa.int64()))
    micros: Ints = numbers * 10 ** (16 - digits) if digits <= 16 else numbers // 10 ** (digits - 16)
    return micros


def from_column(column: pa.Array, zone: Zone) -> tuple[Ints, Problems]:
    """Instants as UTC microseconds from typed columns or text; 0 for a row with a problem."""
    if pa.types.is_timestamp(column.type) and column.type.tz:
        problems = _empty(column)
        kind = pa.timestamp("us", tz=column.type.tz)
        numbers = _in_range(_numbers(column.cast(kind, safe=False)), problems)
        return zone.dated(numbers, local_times(numbers, column.type.tz)) if zone.by_day else numbers, problems
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        problems = _empty(column)
        numbers = _local(_in_range(_numbers(column.cast(NAIVE, safe=False)), problems), zone, problems)
        return numbers, problems
    if pa.types.is_floating(column.type):
        column = column.cast(pa.int64(), safe=False)
    return instants(column.cast(pa.string()), None, "", zone)


def _in_range(numbers: Ints, problems: Problems) -> Ints:
    """The instants with 0, and a problem, for those outside the years that a date can have."""
    outside = (numbers < FIRST_US) | (numbers > LAST_US)
    for row in np.flatnonzero(outside).tolist():
        problems.setdefault(row, f"timestamp {numbers[row]} microseconds since 1970 is not in the years 2 to 9998")
    return np.where(outside, 0, numbers)


def from_text(column: pa.Array, zone: Zone) -> tuple[Ints, Problems]:
    """Instants as UTC microseconds. If only some rows have an offset, the form of most rows is read."""
    text = pc.utf8_trim_whitespace(column.fill_null(""))
    problems = {row: "timestamp is empty" for row in _rows(pc.equal(text, ""))}
    shaped, offset = _mask(pc.match_substring_regex(text, _SHAPE)), _mask(pc.match_substring_regex(text, _OFFSET))
    aware = 2 * np.count_nonzero(shaped & offset) >= np.count_nonzero(shaped)
    usable = shaped & (offset == aware)
    numbers = np.zeros(len(text), dtype=np.int64)
    for row in np.flatnonzero(shaped & ~usable).tolist():
        odd = "has no offset, others have one" if aware else "has an offset, others have none"
        problems[row] = f"timestamp {text[row]} {odd}; use one form"
    rows = np.flatnonzero(usable)
    stamps = text.take(pa.array(rows))
    kept, numbers[usable] = _parse(stamps, UTC if aware else NAIVE)
    for row in [*np.flatnonzero(~shaped).tolist(), *rows[~kept].tolist()]:
        problems.setdefault(
            row,
            f"timestamp {str(text[row])!r} is not a timestamp in the form of this file; write"
            " YYYY-MM-DD[THH:MM:SS[+HH:MM]], or one other form",
        )
    numbers = _in_range(numbers, problems)
    if aware and zone.by_day:
        written = numbers.copy()
        _, written[usable] = _parse(pc.replace_substring_regex(stamps, _OFFSET_ALONE, ""), NAIVE)
        return zone.dated(numbers, np.where(numbers == 0, 0, written)), problems
    return (numbers if aware else _local(numbers, zone, problems)), problems


def _local(numbers: Ints, zone: Zone, problems: Problems) -> Ints:
    instants, unclear = zone.local(numbers)
    for row in np.flatnonzero(unclear).tolist():
        stamp = np.datetime64(int(numbers[row]), "us").item()
        problem = f"timestamp {stamp} does not exist or exists twice in {zone.own or zone.name} (clocks change)"
        problems.setdefault(row, f"{problem}; write it with an offset")
    return instants


def _parse(text: pa.Array, kind: pa.DataType) -> tuple[NDArray[np.bool_], Ints]:
    """A mask of valid timestamps, and their microseconds. The few invalid ones are found by halving."""
    try:
        return np.ones(len(text), dtype=bool), _numbers(text.cast(kind))
    except pa.ArrowInvalid:
        if len(text) == 1:
            return np.zeros(1, dtype=bool), np.zeros(1, dtype=np.int64)
    half = len(text) // 2
    halves = [_parse(part, kind) for part in (text[:half], text[half:])]
    return np.concatenate([kept for kept, _ in halves]), np.concatenate([numbers for _, numbers in halves])


def _empty(column: pa.Array) -> Problems:
    return {row: "timestamp is empty" for row in _rows(column.is_null())}


def _numbers(column: pa.Array) -> Ints:
    return np.asarray(column.cast(pa.int64()).fill_null(0))


def _mask(flags: Any) -> NDArray[np.bool_]:
    return np.asarray(flags, dtype=bool)


def _rows(flags: Any) -> list[int]:
    return np.flatnonzero(_mask(flags)).tolist()
