"""CSV files as blocks of complete lines: a file of any size needs little memory, and a fault stays in its block."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

from schemas.contract.errors import DataError
from workers.bars.series import COLUMNS

BLOCK_BYTES = 16 << 20
# A cell that contains line breaks stays in one block if it ends within so many lines.
CELL_LINES = 1000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Lines of a file. `header` is the file's first line; `body` is complete lines without blank ones at its ends.

    `first` is the number, from 1, of the first line of `body` in its file; `lines` is how many lines `body` has.
    """

    path: Path
    header: bytes
    first: int
    body: bytes
    lines: int

    def halves(self) -> list["Block"]:
        """The block in two parts; empty if there is no line to cut at, or a quoted cell might be cut."""
        cut = self.body.find(b"\n", len(self.body) // 2) + 1
        if not 0 < cut < len(self.body) or b'"' in self.body:
            return []
        lines = count_lines(self.body[:cut])
        return [
            replace(self, body=self.body[:cut], lines=lines),
            replace(self, body=self.body[cut:], first=self.first + lines, lines=self.lines - lines),
        ]


def file_blocks(path: Path) -> Iterator[Block]:
    """All blocks of a file; OSError if it cannot be read, DataError if it is empty."""
    with path.open("rb", buffering=1 << 16) as file:
        header, line = _header(file)
        if not header:
            raise DataError(f"is empty; expected a header timestamp,{','.join(COLUMNS)}")
        while text := _lines(file):
            lines = count_lines(text)
            body, blank = _without_blank_ends(text)
            inside = lines if body is text else count_lines(body)
            yield Block(path, header, line + blank, body, inside)
            line += lines


def count_lines(text: bytes) -> int:
    """How many lines a text has; the last may lack its line feed."""
    feeds = int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord("\n")))
    return feeds + (not text.endswith(b"\n") and len(text) > 0)


def header_names(path: Path) -> list[str]:
    """The column names of a file; empty for an empty file."""
    with path.open("rb") as file:
        return names_of(_header(file)[0])


@lru_cache(maxsize=256)
def names_of(header: bytes) -> list[str]:
    """The cells of a header line; DataError if it is not UTF-8 text."""
    try:
        return next(csv.reader([header.decode()]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot be read as UTF-8 text: {error}; save it as CSV in UTF-8") from None


def joined(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Groups of consecutive blocks with the same header, up to the size of a block: small files are parsed together."""
    group: list[Block] = []
    size = 0
    for block in blocks:
        if group and (block.header != group[0].header or size + len(block.body) > BLOCK_BYTES):
            yield group
            group, size = [], 0
        group.append(block)
        size += len(block.body)
    if group:
        yield group


def _header(file: BinaryIO) -> tuple[bytes, int]:
    """The first line that is not blank, without its line break, and the number of the next line."""
    for number, line in enumerate(file, start=1):
        text = line.removeprefix(BYTE_ORDER_MARK).rstrip(b"\r\n")
        if text:
            return text, number + 1
    return b"", 1


def _lines(file: BinaryIO) -> bytes:
    lines = file.read(BLOCK_BYTES)
    if len(lines) == BLOCK_BYTES:
        lines += file.readline()
        if b'"' in lines and lines.count(b'"') % 2:
            lines += _rest_of_cell(file)
    return lines


def _rest_of_cell(file: BinaryIO) -> bytes:
    rest = []
    for _ in range(CELL_LINES):
        rest.append(file.readline())
        if rest[-1].count(b'"') % 2:
            break
    return b"".join(rest)


def _without_blank_ends(text: bytes) -> tuple[bytes, int]:
    """The text without blank lines at its ends, and how many were removed at the beginning."""
    if text[:1] not in b"\r\n" and text[-1:] == b"\n" and text[-2:-1] not in b"\r\n":
        return text, 0
    inner = text.lstrip(b"\r\n")
    blank = count_lines(text[: len(text) - len(inner)])
    whole = inner.rstrip(b"\r\n")
    return whole and whole + b"\n", blank
