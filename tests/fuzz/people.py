"""Parsers of files that people have written: bars, actions, lists, settings, plug-ins."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.runs.settings import read_symbols, resolve
from schemas.config.bars import IngestConfig
from schemas.config.run import RunConfig
from schemas.contract.plugin_source import plugin_digest
from schemas.redis.broker_file import read_broker_file
from tests.fuzz.parser import Parser, of_file
from tests.workers.bars.test_formats import BARS, DAYS, SAMPLES
from workers.bars.clean import clean
from workers.bars.corporate_actions import read_actions
from workers.bars.files.csv import CsvFolder
from workers.bars.files.folder import Folder
from workers.bars.files.parquet import ParquetFolder
from workers.bars.series import COLUMNS
from workers.bars.sources.source_protocol import SourceRequest


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


def _settings(path: Path) -> None:
    resolve(RunConfig, {}, path, {})


def _broker_file(path: Path) -> None:
    path.chmod(0o600)
    read_broker_file(path)


def _options(path: Path) -> None:
    resolve(IngestConfig, {"source": "csv:bars", "format_file": str(path)}, path, {})


def _parquet_good() -> bytes:
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

SETTINGS = (
    b"""source = "csv:bars"
symbols = ["TCS", "INFY"]
start_date = "2020-01-01"
end_date = 2024-01-01
label = "triple-barrier"
horizon = "5"
costs = "nse-delivery"
devices = "cpu:2x4"
timezone = "UTC"
window_days = 90
max_failure_rate = 0.1
""",
    b"""source = "sample"
interval = "1day"
teacher = "lightgbm"
lookback = "250"
features = ["cross-section"]
seed = 1
""",
)
PLUGINS = (
    b"""import json
from gurukul import feature

@feature(lookback=3)
def gap(bars):
    return bars.open / bars.close - 1.0
""",
    b"""from .helper import x
import helper.y as z

class A:
    b: int = f'{1 + (2 if x else [3][0])}'

    async def c(self, *a, **k): await z
""",
)

PARSERS = {
    "text": Parser(of_file("ABC.csv", _text), lambda: [sample.text().encode() for sample in SAMPLES.values()]),
    "parquet": Parser(of_file("ABC.parquet", _parquet), lambda: [_parquet_good()]),
    "actions": Parser(of_file("actions.csv", read_actions), lambda: [ACTIONS]),
    "symbols": Parser(of_file("symbols.txt", read_symbols), lambda: [b"TCS\nINFY # a comment\r\nM&M\n"]),
    "options": Parser(of_file("options.toml", _options), lambda: OPTIONS),
    "settings": Parser(of_file("settings.toml", _settings), lambda: SETTINGS),
    "broker_file": Parser(of_file("broker.url", _broker_file), lambda: [b"redis://user:pass@host:6379/0\n"]),
    "plugin": Parser(of_file("own.py", lambda path: plugin_digest(str(path))), lambda: PLUGINS),
}
