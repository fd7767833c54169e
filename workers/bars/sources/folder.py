"""How a folder of files maps to symbols: `SYMBOL/INTERVAL/*.EXT` (any number of files) or `SYMBOL.EXT`."""

import bisect
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import pyarrow as pa

from schemas.errors import DataError, RequestError
from workers.bars.series import COLUMNS
from workers.bars.sources.table import bars_table, instants


def symbol_files(folder: Path, symbol: str, interval: str, suffix: str) -> list[Path]:
    """The files that hold `symbol`'s bars, in name order; empty if there are none."""
    nested = sorted(path for path in (folder / symbol / interval).glob(f"*{suffix}") if path.is_file())
    single = folder / f"{symbol}{suffix}"
    if nested and single.is_file():
        raise DataError(f"{single} and {nested[0].parent} both hold {symbol}; keep one")
    return nested or ([single] if single.is_file() else [])


def folder_symbols(folder: Path, interval: str, suffix: str) -> list[str]:
    """Every name that has files of this interval, sorted; RequestError if the folder is missing or holds none."""
    if not folder.is_dir():
        raise RequestError(f"folder {folder} does not exist; give an existing one, as in csv:path/to/bars")
    nested = {path.name for path in folder.iterdir() if any((path / interval).glob(f"*{suffix}"))}
    found = sorted(nested | {path.stem for path in folder.glob(f"*{suffix}") if path.is_file()})
    if not found:
        raise RequestError(f"folder {folder} has no SYMBOL/{interval}/*{suffix} and no SYMBOL{suffix}")
    return found


def read_files(
    files: list[Path], read_file: Callable[[Path], pa.Table], timezone: str, position: str, first: int
) -> pa.Table:
    """Bars of one symbol from its files; an error names the file and `position` (from `first` on) of a bad row."""
    if not files:
        raise DataError("the files of a symbol were removed while the run was starting; start again")

    def read(path: Path) -> pa.Table:
        raw = read_file(path)
        times = instants(raw["timestamp"], timezone, lambda row: f"{path} {position} {row + first}")
        return raw.set_column(0, "timestamp", times)

    tables = [read(path) for path in files]
    starts = [0, *accumulate(len(table) for table in tables)]

    def locate(row: int) -> str:
        file = min(bisect.bisect_right(starts, row) - 1, len(files) - 1)
        return f"{files[file]} {position} {row - starts[file] + first}"

    table = pa.concat_tables(tables)
    return bars_table(table["timestamp"], {c: table[c] for c in COLUMNS}, timezone, locate)
