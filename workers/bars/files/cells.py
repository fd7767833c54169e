"""Reads a block of CSV cell by cell, which is slow, to keep the good rows and name every bad cell."""

import csv
import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from schemas.contract.quality import Check
from workers.bars.files.blocks import Block
from workers.bars.files.columns import Columns, number
from workers.bars.files.faults import Faults
from workers.bars.files.rows import Rows
from workers.bars.files.timestamps import from_text
from workers.bars.series import COLUMNS

Fault = tuple[int, Check, str]  # line, check, what is wrong


def first_stamp(block: Block, columns: Columns) -> str:
    """The timestamp of a block's first row; empty if the row has none."""
    line = block.body[: block.body.find(b"\n")].split(b"\r")[0].decode(errors="replace")
    try:
        cells = next(csv.reader([line]), [])
    except csv.Error:
        return ""
    return cells[columns.time] if columns.time < len(cells) else ""


def read_cells(block: Block, columns: Columns, symbol: str | None, timezone: str, faults: Faults) -> Rows:
    """Rows of which every cell can be read, located by the line on which they begin; the others are faults."""
    found: list[Fault] = []
    stamps: list[str] = []
    numbers: list[list[float]] = []
    lines: list[int] = []
    positions = list(columns.values.values())
    # Python accepts 1_000 and digits of other scripts as numbers, pyarrow does not.
    plain = block.body.isascii() and b"_" not in block.body
    for line, cells in _lines(block, found):
        if not _is_wanted(cells, columns, symbol, line, found):
            continue
        try:
            values = [float(cells[position]) for position in positions] if plain else None
        except ValueError:
            values = None
        numbers.append(values or _cell_by_cell(cells, columns, line, found))
        stamps.append(cells[columns.time])
        lines.append(line)
    instants, problems = from_text(pa.array(stamps, pa.string()), timezone)
    found += [(lines[row], Check.BAD_CELL, problem) for row, problem in problems.items()]
    path = block.path
    for line, check, detail in sorted(found):
        faults.add(check, f"{path} line {line}", detail)
    bad = {line for line, _, _ in found}
    good = np.array([row for row, line in enumerate(lines) if line not in bad], dtype=np.int64)
    values_by_row = np.array(numbers, dtype=np.float64).reshape(-1, len(COLUMNS))[good]
    kept = [lines[row] for row in good.tolist()]
    return Rows(
        instants[good],
        {name: np.ascontiguousarray(values_by_row[:, place]) for place, name in enumerate(COLUMNS)},
        lambda row: f"{path} line {kept[row]}",
    )


def _cell_by_cell(cells: list[str], columns: Columns, line: int, found: list[Fault]) -> list[float]:
    """The numbers of a row, with NaN and a fault for each cell that holds none."""
    values = []
    for name, position in columns.values.items():
        value = number(cells[position])
        if value is None:
            found.append((line, Check.BAD_CELL, f"{name} is {cells[position]!r}, not a number"))
        values.append(np.nan if value is None else value)
    return values


def _lines(block: Block, found: list[Fault]) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line on which it begins."""
    reader = csv.reader(io.StringIO(block.body.decode(errors="replace"), newline=""))
    begins = block.first
    try:
        for cells in reader:
            if cells:
                yield begins, cells
            begins = block.first + reader.line_num
    except csv.Error as error:
        found.append((begins, Check.UNREADABLE, f"{error}; look for a quotation mark that is not closed"))


def _is_wanted(cells: list[str], columns: Columns, symbol: str | None, line: int, found: list[Fault]) -> bool:
    """Whether the row is complete and of the symbol. A row that names no symbol is a fault of every symbol."""
    if symbol is not None and columns.symbol is not None:
        owner = cells[columns.symbol].strip() if columns.symbol < len(cells) else ""
        if owner not in (symbol, ""):
            return False
        if not owner and len(cells) == columns.width:
            found.append((line, Check.BAD_CELL, "symbol is empty"))
            return False
    if len(cells) != columns.width:
        found.append((line, Check.UNREADABLE, f"has {len(cells)} cells, the header has {columns.width}"))
        return False
    return True
