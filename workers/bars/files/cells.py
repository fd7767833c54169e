"""Reads a block of CSV cell by cell, which is slow, to keep the good rows and name every bad cell."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from schemas.contract.quality import Check
from workers.bars.files.blocks import Block
from workers.bars.files.columns import NO_VALUES, Columns, bare_number, grouped_number, number, rough_number
from workers.bars.files.formats import plain_name
from workers.bars.files.local_time import Zone
from workers.bars.files.rows import Rows
from workers.bars.files.timestamps import instants
from workers.bars.series import COLUMNS

# What pages for people show where nothing was traded, or where there is no volume.
NO_VOLUME = ("", "-", "--", "N/A")

SWAPPED = str.maketrans(".,", ",.")

Fault = tuple[int, str, Check, str]  # line, symbol ("": any), check, what is wrong
# Receives the symbol ("": any), the check, the place and what is wrong.
Report = Callable[[str, Check, str, str], None]


def first_stamp(block: Block) -> str:
    """The timestamp of a block's first row; empty if the row has none."""
    line = block.body[: block.body.find(b"\n")].split(b"\r")[0].decode(errors="replace")
    try:
        cells = next(csv.reader([line], delimiter=block.columns.delimiter), [])
    except csv.Error:
        return ""
    return cells[block.columns.time] if block.columns.time < len(cells) else ""


def read_cells(block: Block, zone: Zone, report: Report) -> Rows:
    """Rows of which every cell can be read, located by the line on which they begin; the others are reported."""
    columns = block.columns
    found: list[Fault] = []
    stamps: list[str] = []
    clocks: list[str] = []
    numbers: list[list[float]] = []
    lines: list[int] = []
    owners: list[str] = []
    # Python accepts 1_000 and digits of other scripts as numbers, pyarrow does not.
    plain = block.body.isascii() and b"_" not in block.body and columns.decimal == "."
    for line, written in _lines(block, found):
        cells = written if any(written[columns.width :]) else written[: columns.width]
        owner = _owner(cells, columns)
        if not _is_wanted(cells, columns, owner, line, found):
            continue
        values = _plainly(cells, columns) if plain else None
        numbers.append(values or _cell_by_cell(cells, columns, owner, line, found))
        stamps.append(cells[columns.time])
        clocks.append("" if columns.clock is None else cells[columns.clock])
        lines.append(line)
        owners.append(owner)
    times = None if columns.clock is None else pa.array(clocks, pa.string())
    zone = replace(zone, own=columns.zone)
    moments, problems = instants(pa.array(stamps, pa.string()), times, columns.date_format, zone)
    found += [(lines[row], owners[row], Check.BAD_CELL, problem) for row, problem in problems.items()]
    for line, owner, check, detail in sorted(found):
        report(owner, check, f"{block.path} line {line}", detail)
    bad = {line for line, _, _, _ in found}
    good = np.array([row for row, line in enumerate(lines) if line not in bad], dtype=np.int64)
    values_by_row = np.array(numbers, dtype=np.float64).reshape(-1, len(COLUMNS))[good]
    kept = np.array(lines, dtype=np.int32)[good]
    names = {name: number for number, name in enumerate(dict.fromkeys(owners))}
    return Rows(
        moments[good],
        {name: np.ascontiguousarray(values_by_row[:, place]) for place, name in enumerate(COLUMNS)},
        (block.path,),
        np.zeros(len(kept), dtype=np.int32),
        kept,
        owners=tuple(names),
        owner=np.array([names[owner] for owner in owners], dtype=np.int32)[good],
    )


def _owner(cells: list[str], columns: Columns) -> str:
    """The symbol that a row names; that of its group of columns, or "", if it names none."""
    if columns.symbol is None or columns.symbol >= len(cells):
        return columns.owner
    return cells[columns.symbol].strip()


def _plainly(cells: list[str], columns: Columns) -> list[float] | None:
    try:
        return [0.0 if place is None else float(cells[place]) for place in columns.values.values()]
    except ValueError:
        return None


def _cell_by_cell(cells: list[str], columns: Columns, owner: str, line: int, found: list[Fault]) -> list[float]:
    """The numbers of a row, with NaN and a fault for each cell that holds none."""
    pointed = columns.decimal == "." and any("." in cells[place] for place in columns.prices)
    values = []
    for name, position in columns.values.items():
        cell = "0" if position is None else cells[position]
        if name == "volume" and columns.rough and cell.strip() in NO_VOLUME:
            cell = "0"
        value = _number(cell, columns, grouped=pointed or name == "volume")
        if value is None:
            found.append((line, owner, Check.BAD_CELL, f"{name} is {cell!r}, not a number"))
        values.append(np.nan if value is None else value)
    return values


def _number(cell: str, columns: Columns, *, grouped: bool) -> float | None:
    """The number in a cell. `grouped`: a comma between digits separates thousands, as in `1,234`."""
    value = _bare_number(cell, columns, grouped=grouped)
    bare = bare_number(cell) if value is None and columns.signed else cell
    return value if bare == cell else _bare_number(bare, columns, grouped=grouped)


def _bare_number(cell: str, columns: Columns, *, grouped: bool) -> float | None:
    if columns.decimal == ",":
        swapped = cell.translate(SWAPPED)
        value = (rough_number(swapped) if columns.rough else grouped_number(swapped)) if grouped else None
        value = number(swapped) if value is None else value
        return number(cell) if value is None else value
    value = rough_number(cell) if columns.rough else number(cell)
    return grouped_number(cell) if value is None and grouped else value


def _lines(block: Block, found: list[Fault]) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line on which it begins."""
    text = io.StringIO(block.body.decode(errors="replace"), newline="")
    reader = csv.reader(text, delimiter=block.columns.delimiter)
    begins = block.first
    try:
        for cells in reader:
            if cells:
                yield begins, cells
            begins = block.first + reader.line_num
    except csv.Error as error:
        found.append((begins, "", Check.UNREADABLE, f"{error}; look for a quotation mark that is not closed"))


def _is_wanted(cells: list[str], columns: Columns, owner: str, line: int, found: list[Fault]) -> bool:
    """Whether the row is complete and to be read. A row that names no symbol is a fault of every symbol."""
    if len(cells) != columns.width:
        has = f"has {len(cells)} cell{'s' * (len(cells) != 1)}, the header has {columns.width}"
        found.append((line, owner, Check.UNREADABLE, f"{has}; remove it if it is no bar"))
        return False
    if all(place is None or plain_name(cells[place]) == name for name, place in columns.values.items()):
        return False  # the header once more, where a file was continued
    if any(cells[place].strip() not in values for place, values in columns.where):
        return False
    if columns.sparse and all(cells[place].strip() in NO_VALUES for place in columns.prices):
        return False
    if columns.symbol is not None and not owner:
        found.append((line, "", Check.BAD_CELL, "symbol is empty"))
        return False
    return True
