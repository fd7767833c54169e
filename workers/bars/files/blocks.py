"""CSV files as blocks of complete lines: a file of any size needs little memory, and a fault stays in its block."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from schemas.config.file_options import FileOptions
from schemas.contract.errors import DataError
from workers.bars.files.bar_file import BarFile
from workers.bars.files.columns import Columns
from workers.bars.files.head import FOOTER, cells_of, is_footer, read_line, take_head

BLOCK_BYTES = 16 << 20
# A cell that contains line breaks stays in one block if it ends within so many lines.
CELL_LINES = 1000


@dataclass(frozen=True)
class Block:
    """Lines of a file with these columns; `body` is complete lines without blank ones at its ends.

    `first` is the number, from 1, of the first line of `body` in its file; `lines` is how many lines `body` has.
    """

    path: str
    columns: Columns
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


def file_blocks(file: BarFile, options: FileOptions) -> Iterator[Block]:
    """All blocks of a file; OSError if it cannot be read, DataError if it is empty or has no bars."""
    with file.open(options.encoding) as stream:
        head = take_head(stream, file, options)
        columns, line, taken = head.columns, head.line, head.taken
        while text := _lines(stream, taken):
            taken = b""
            lines = count_lines(text)
            body, blank = _without_blank_ends(text)
            if len(text) < BLOCK_BYTES:
                body = _without_footer(body, columns)
            inside = lines if body is text else count_lines(body)
            yield Block(str(file), columns, line + blank, body, inside)
            line += lines


def count_lines(text: bytes) -> int:
    """How many lines a text has; the last may lack its line feed."""
    feeds = int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord("\n")))
    return feeds + (not text.endswith(b"\n") and len(text) > 0)


def joined(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Groups of consecutive blocks with the same columns, up to a block's size: small files are parsed together."""
    group: list[Block] = []
    size = 0
    for block in blocks:
        if group and (block.columns != group[0].columns or size + len(block.body) > BLOCK_BYTES):
            yield group
            group, size = [], 0
        group.append(block)
        size += len(block.body)
    if group:
        yield group


def _lines(file: BinaryIO, taken: bytes) -> bytes:
    lines = taken + file.read(BLOCK_BYTES)
    if len(lines) >= BLOCK_BYTES:
        lines += read_line(file)
        if b'"' in lines and lines.count(b'"') % 2:
            lines += _rest_of_cell(file)
    return lines


def _rest_of_cell(file: BinaryIO) -> bytes:
    rest = []
    for _ in range(CELL_LINES):
        rest.append(read_line(file))
        if rest[-1].count(b'"') % 2:
            break
    return b"".join(rest)


def _without_footer(body: bytes, columns: Columns) -> bytes:
    """The text without its last lines that are no bars, such as a source or a sum."""
    for _ in range(FOOTER):
        whole = body.rstrip(b"\r\n")
        begin = whole.rfind(b"\n") + 1
        try:
            row = cells_of(whole[begin:], columns.delimiter)
        except DataError:
            return body
        if not begin or not row or not is_footer(row, columns):
            return body
        body = body[:begin]
    return body


def _without_blank_ends(text: bytes) -> tuple[bytes, int]:
    """The text without blank lines at its ends, and how many were removed at the beginning."""
    if text[:1] not in b"\r\n" and text[-1:] == b"\n" and text[-2:-1] not in b"\r\n":
        return text, 0
    inner = text.lstrip(b"\r\n")
    blank = count_lines(text[: len(text) - len(inner)])
    whole = inner.rstrip(b"\r\n")
    return whole and whole + b"\n", blank
