"""Finds a file's columns by name, in any case and order; other columns are ignored."""

from dataclasses import dataclass

from schemas.contract.errors import DataError
from workers.bars.series import COLUMNS

TIME_NAMES = ("timestamp", "datetime", "date", "time")
SYMBOL_NAMES = ("symbol", "ticker", "tradingsymbol")


@dataclass(frozen=True)
class Columns:
    """Positions in a header of `width` columns; `symbol` is None if the file holds one symbol."""

    width: int
    time: int
    values: dict[str, int]
    symbol: int | None


def find_columns(names: list[str]) -> Columns:
    """The positions of the needed columns; DataError names a column that is missing or duplicated."""
    lower = [name.strip().lower() for name in names]
    twice = next((name for name in lower if lower.count(name) > 1 and name), None)
    if twice:
        raise DataError(f"column {names[lower.index(twice)].strip()} appears twice; keep one")
    time = next((name for name in TIME_NAMES if name in lower), None)
    if time == "date" and "time" in lower:
        raise DataError("date and time are two columns; join them into one column timestamp")
    missing = [name for name in COLUMNS if name not in lower] + ([] if time else ["timestamp"])
    if missing and len(lower) == 1 and ";" in lower[0]:
        raise DataError("cells are separated by semicolons; write commas")
    if missing:
        needed = f"needed are timestamp, {', '.join(COLUMNS)}"
        raise DataError(f"column {', '.join(sorted(missing))} is missing; {needed}")
    values = {name: lower.index(name) for name in COLUMNS}
    return Columns(len(names), lower.index(str(time)), values, symbol_column(names))


def symbol_column(names: list[str]) -> int | None:
    """The position of the symbol column, if there is one."""
    lower = [name.strip().lower() for name in names]
    return next((lower.index(name) for name in SYMBOL_NAMES if name in lower), None)


def number(text: str) -> float | None:
    """The number in a cell; None for any other text, such as `1,5`, `1_000` or an empty cell."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if text.isascii() and "_" not in text else None
