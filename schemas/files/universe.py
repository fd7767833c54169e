"""The file of a universe by date, CSV with the columns symbol, from and to; and its stored form, by digest."""

import csv
import hashlib
import io
from datetime import date
from itertools import pairwise
from pathlib import Path

from pydantic import ValidationError

from schemas.contract.errors import DataError, RequestError
from schemas.contract.identifiers import check_symbol
from schemas.contract.universe import HEADER, Stay, Universe
from schemas.contract.wrong_value import fault
from schemas.files.atomic import write_atomic
from schemas.files.layout import universe_file
from schemas.files.text import read_text

MOST_BYTES = 64 << 20


def read_universe(path: str) -> Universe:
    """The universe of a user's file. RequestError names the line of a fault and what is right."""
    file = Path(path)
    try:
        if file.stat().st_size > MOST_BYTES:
            raise RequestError(f"--universe {path} has over {MOST_BYTES >> 20} MiB; a universe is one line per stay")
        text = read_text(file)
    except OSError as error:
        raise RequestError(f"--universe {path} cannot be read: {error.strerror}; check its path") from None
    except UnicodeDecodeError:
        raise RequestError(f"--universe {path} is not text in UTF-8; save it as CSV") from None
    return _parsed(text, f"--universe {path}")


def stored_universe(data_dir: str | Path, sha256: str) -> Universe:
    """The universe that a run has stored below a data folder. DataError if it is missing or damaged."""
    path = universe_file(data_dir, sha256)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is missing: the universe of the run; start a new run") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"{path} is damaged: its digest is not its name; remove it and start a new run")
    return _parsed(content.decode(), str(path))


def store_universe(universe: Universe, data_dir: str | Path) -> None:
    """Store a universe below a data folder, unless it is there."""
    path = universe_file(data_dir, universe.sha256)
    if not path.is_file():
        write_atomic(path, universe.text)


def _parsed(text: str, where: str) -> Universe:
    rows = csv.reader(io.StringIO(text), strict=True)
    stays: dict[str, list[tuple[int, Stay]]] = {}
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if rows.line_num == 1:
                _check_header(cells, where)
            elif any(cells):
                symbol, stay = _stay(cells, f"{where} line {rows.line_num}")
                stays.setdefault(symbol, []).append((rows.line_num, stay))
    except csv.Error as error:
        raise RequestError(f"{where} line {rows.line_num}: {error}; save it as CSV") from None
    if not stays:
        raise RequestError(f"{where} names no symbol; write one line per stay, such as TCS,2015-01-01,")
    for symbol, own in stays.items():
        own.sort(key=lambda each: each[1].first)
        for (_, before), (line, after) in pairwise(own):
            if before.until is None or after.first < before.until:
                raise RequestError(
                    f"{where} line {line}: {symbol} from {after.first} overlaps its stay from {before.first}; give the"
                    " day on which the earlier one ends, or join the two lines"
                )
    return Universe(stays={symbol: tuple(each for _, each in stays[symbol]) for symbol in sorted(stays)})


def _check_header(cells: list[str], where: str) -> None:
    if tuple(cell.lower() for cell in cells) != HEADER:
        raise RequestError(
            f"{where}: its first line is {','.join(cells)[:80]!r}; a universe has the columns {','.join(HEADER)}"
        )


def _stay(cells: list[str], where: str) -> tuple[str, Stay]:
    if len(cells) != len(HEADER):
        raise RequestError(f"{where} has {len(cells)} cells; write symbol, first day, and the day after the last one")
    symbol, first, until = cells
    try:
        return check_symbol(symbol), Stay(first=_day(first, where), until=_day(until, where) if until else None)
    except ValidationError as error:
        raise RequestError(f"{where}: {fault(error.errors()[0])}") from None
    except ValueError as error:
        raise RequestError(f"{where}: {error}") from None


def _day(text: str, where: str) -> date:
    try:
        if len(text) != len("2015-01-01"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise RequestError(f"{where}: {text[:40]!r} is not a day; write it as 2015-01-31") from None
