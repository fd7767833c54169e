"""Headers with a group of columns per symbol, as pandas writes the columns of yfinance, which have two levels."""

import ast
import re
from collections.abc import Sequence
from typing import Any

from schemas.contract.errors import DataError
from workers.bars.files.formats import is_data
from workers.bars.series import COLUMNS

TIME_NAMES = ("date", "datetime", "timestamp")
_FIELDS = "adj[ _]close|close|open|high|low|volume"
# The two levels in one name: ('Close', 'AAPL'), Close_AAPL or AAPL_Close. Names in small letters are no symbols.
_TUPLE = re.compile(r"\((['\"]).*\)")
_JOINED = re.compile(
    rf"(?P<field>(?i:{_FIELDS}))[ _](?P<symbol>[^a-z]+)|(?P<owner>[^a-z]+)[ _](?P<name>(?i:{_FIELDS}))"
)

Pairs = list[tuple[str, str]]
Groups = dict[str, list[str]]


def header_lines(lines: Sequence[Sequence[str]]) -> int:
    """How many lines the header of a file with these first lines has: more than one if columns have two levels."""
    for number, cells in enumerate(lines[1:], start=1):
        if len(cells) != len(lines[0]) or len(cells) < 2:
            break
        # The last line of three names the index alone. Of two lines, the second has no name for the time.
        begins = cells[0].strip().lower() in TIME_NAMES
        if begins and not any(cell.strip() for cell in cells[1:]):
            return number + 1
    if len(lines) < 2 or len(lines[0]) != len(lines[1]):
        return 1
    pairs = [(one.strip().lower(), two.strip()) for one, two in zip(lines[0], lines[1], strict=True)]
    is_level = any(one in TIME_NAMES and not two for one, two in pairs) and not is_data(lines[1])
    fields = {cell.strip().lower() for cell in (*lines[0], *lines[1])}
    return 2 if is_level and fields >= set(COLUMNS) and all(two for one, two in pairs if one in COLUMNS) else 1


def groups_of_lines(lines: Sequence[Sequence[str]]) -> Groups:
    """The names of the columns of each symbol, by the lines of a header: "" stands for a column of another symbol.

    The only group of a file that names no symbol is that of "". DataError if no line names close.
    """
    levels = [list(line) for line in lines]
    index = levels.pop() if not any(cell.strip() for cell in levels[-1][1:]) else None
    if len(levels) == 1:
        levels.append(["" for _ in levels[0]])
    pairs = list(zip(*levels[:2], strict=True))
    if index is not None:
        pairs[0] = (index[0], "")
    groups = _groups([(one.strip(), two.strip()) for one, two in pairs])
    if not groups:
        raise DataError("has a header of several lines, none of which names close")
    return groups


def groups_of_names(names: Sequence[str]) -> Groups:
    """The same for columns whose names hold both levels; none if there are no such columns of a whole bar."""
    pairs = [_levels(name.strip()) for name in names]
    groups = _groups(pairs) if any(symbol for _, symbol in pairs) else {}
    whole = {"open", "high", "low", "close", "volume"}
    return {symbol: own for symbol, own in groups.items() if symbol and whole <= {name.lower() for name in own}}


def _groups(pairs: Pairs) -> Groups:
    """Groups by the level that is no field. A column of time has one level."""
    is_second = "close" not in [one.lower() for one, _ in pairs]
    named = [(two, one) if is_second and two else (one, two) for one, two in pairs]
    # A file that was read and written again has Close.1 for the second Close.
    fields = [re.sub(r"\.\d+$", "", field) for field, _ in named]
    times = [not owner and field.lower() in TIME_NAMES for field, (_, owner) in zip(fields, named, strict=True)]
    owners = {owner for field, (_, owner) in zip(fields, named, strict=True) if field.lower() == "close"}
    return {
        owner: [
            field if own == owner or is_time else ""
            for field, (_, own), is_time in zip(fields, named, times, strict=True)
        ]
        for owner in dict.fromkeys(own for _, own in named)
        if owner in owners
    }


def _levels(name: str) -> tuple[str, str]:
    """The field and the symbol in a name, in either order; the name and "" if it is of one level."""
    if _TUPLE.fullmatch(name):
        try:
            levels: Any = ast.literal_eval(name)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return name, ""
        return (str(levels[0]), str(levels[1])) if isinstance(levels, tuple) and len(levels) == 2 else (name, "")
    found = _JOINED.fullmatch(name)
    if found is None:
        return name, ""
    return found["field"] or found["name"], found["symbol"] or found["owner"]
