"""The parsers that are fuzzed: each takes bytes, and may answer only with values, findings or an error of the tree."""

import io
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.runs.settings import read_symbols, resolve
from schemas.config.bars import IngestConfig
from schemas.contract.errors import GurukulError
from tests.workers.bars.test_formats import BARS, DAYS, SAMPLES
from workers.bars.clean import clean
from workers.bars.corporate_actions import read_actions
from workers.bars.files.csv import CsvFolder
from workers.bars.files.folder import Folder
from workers.bars.files.parquet import ParquetFolder
from workers.bars.series import COLUMNS
from workers.bars.sources.source_protocol import SourceRequest

TOKENS = (
    b"\x00", b'"', b"\n", b"\r", b",", b"\t", b";", b"\xef\xbb\xbf", b"\xff\xfe", b"nan", b"1e999", b"-", b"9" * 40,
    b"Date",    b"2023-02-30", b"0", b"'", b"\xe2\x82\xac", b"=", b"[", b"symbol", b"%", b"99999999999", b"-1", b"\\",
)  # fmt: skip


def read_folder(kind: type[Folder], path: Path) -> None:
    """Read every symbol that a file seems to hold."""
    opened = kind(SourceRequest(str(path), "1day", "America/New_York"))
    for symbol in opened.symbols()[:3]:
        clean(opened.read(symbol), opened.timezone)
    opened.understood()


def _text(path: Path) -> None:
    read_folder(CsvFolder, path)


def _parquet(path: Path) -> None:
    read_folder(ParquetFolder, path)


def _options(path: Path) -> None:
    resolve(IngestConfig, {"source": "csv:bars", "format_file": str(path)}, path, {})


def _parquet_seed() -> bytes:
    values = dict(zip(COLUMNS, zip(*BARS, strict=True), strict=True))
    stamps = [np.datetime64(day, "us").item() for day in DAYS]
    buffer = io.BytesIO()
    pq.write_table(pa.table({"timestamp": stamps, "symbol": ["A", "B", "A"], **values}), buffer)
    return buffer.getvalue()


ACTIONS = b"symbol,ex_date,action,ratio\nTCS,2022-10-24,bonus,1:1\n# x\nA,2020-01-01,split,5:1\n"
OPTIONS = (
    b'columns = {close = "Adj Close"}\ndate_format = "%d/%m/%Y"\ndelimiter = ";"\n',
    b'symbol_from = "file"\nwhere = {SERIES = "EQ"}\n',
)

# Of each parser: the name of its file, what reads it, and good files.
PARSERS: dict[str, tuple[str, Callable[[Path], object], list[bytes]]] = {
    "text": ("ABC.csv", _text, [sample.text().encode() for sample in SAMPLES.values()]),
    "parquet": ("ABC.parquet", _parquet, [_parquet_seed()]),
    "actions": ("actions.csv", read_actions, [ACTIONS]),
    "symbols": ("symbols.txt", read_symbols, [b"TCS\nINFY # a comment\r\nM&M\n"]),
    "options": ("options.toml", _options, [*OPTIONS]),
}


def mutated(name: str, seed: int) -> bytes:
    """A good file of a parser with a few changes; equal for equal seeds."""
    rng = random.Random(seed)
    good = PARSERS[name][2]
    data = bytearray(rng.choice(good))
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place = rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0 and data:
            data[place % len(data)] = rng.randrange(256)
        elif kind == 1:
            del data[place : place + rng.randrange(1, 40)]
        elif kind == 2:
            data[place:place] = rng.choice(TOKENS)
        elif kind == 3:
            begin = rng.randrange(len(data) + 1)
            data[place:place] = data[begin : begin + rng.randrange(1, 60)]
        elif kind == 4:
            other = rng.choice(good)
            data[place:] = other[rng.randrange(len(other)) :]
        else:
            token = rng.choice(TOKENS)
            data[place : place + len(token)] = token
    return bytes(data)


def try_one(name: str, folder: Path, content: bytes) -> None:
    """Parse content; any exception but one of the error tree is raised."""
    file, parse, _ = PARSERS[name]
    path = folder / file
    path.write_bytes(content)
    with suppress(GurukulError):
        parse(path)
