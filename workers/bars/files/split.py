"""Files of many symbols, read once and stored by symbol, so that no symbol reads them again.

Rows are taken in pieces of bounded size. Each piece is sorted by symbol and written as an Arrow file, which is read by
mapping it into memory: a symbol reads its own rows of each piece and nothing else.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.contract.identifiers import usable_symbol
from schemas.contract.quality import Check
from workers.bars.files.cells import Report
from workers.bars.files.faults import Faults
from workers.bars.files.rows import Rows
from workers.bars.series import COLUMNS

PIECE_ROWS = 1 << 18


@dataclass(frozen=True)
class Split:
    """Rows by symbol. `names`: the names that each symbol has in the files, in no order; "" stands for no name."""

    folder: Path
    names: dict[str, list[str]]
    codes: dict[str, int]
    files: tuple[str, ...]
    unit: str
    faults: dict[str, list[list[str]]]

    def rows(self, symbol: str) -> list[Rows]:
        """A symbol's rows in the order of the files."""
        code = self.codes.get(symbol)
        if code is None:
            return []
        index = np.load(self.folder / "index.npy", mmap_mode="r")
        first, last = np.searchsorted(index[:, 0], [code, code + 1])
        return [self._piece(*(int(number) for number in entry[1:])) for entry in index[first:last]]

    def report(self, symbol: str, faults: Faults) -> None:
        """Add the faults of a symbol, and those of rows and files that may be any symbol's."""
        names = self.names.get(symbol, [])
        for owner in dict.fromkeys(["", *names]):
            for check, where, detail in self.faults.get(owner, []):
                faults.add(Check(check), where, detail)

    def _piece(self, number: int, start: int, length: int) -> Rows:
        with pa.memory_map(str(self.folder / f"{number}.arrow")) as mapped:
            batch = pa.ipc.open_file(mapped).get_batch(0).slice(start, length)
            columns = {name: np.array(batch.column(name)) for name in ("timestamp", "file", "line", *COLUMNS)}
        values = {name: columns[name] for name in COLUMNS}
        return Rows(columns["timestamp"], values, self.files, columns["file"], columns["line"], self.unit)


def split(folder: Path, read: Callable[[Report], Iterator[Rows]]) -> Split:
    """Store by symbol in `folder`, which is made, what `read` yields and reports."""
    folder.mkdir(parents=True)
    writer = _Writer(folder)
    for rows in read(writer.report):
        writer.add(rows)
    writer.close()
    return load(folder)


def load(folder: Path) -> Split:
    """What an earlier `split` stored there."""
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    codes = {symbol: code for code, symbol in enumerate(about["symbols"])}
    return Split(folder, about["names"], codes, tuple(about["files"]), about["unit"], about["faults"])


class _Writer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._codes: dict[str, int] = {}
        self._names: dict[str, list[str]] = {}
        self._files: dict[str, int] = {}
        self._faults: dict[str, list[tuple[str, str, str]]] = {}
        self._index: list[NDArray[np.int64]] = []
        self._unit = "line"
        self._waiting: list[pa.RecordBatch] = []
        self._pieces = 0

    def report(self, owner: str, check: Check, where: str, detail: str) -> None:
        self._faults.setdefault(owner, []).append((check.value, where, detail))
        if owner:
            self._code(owner)

    def add(self, rows: Rows) -> None:
        if not len(rows) or rows.owner is None:
            return
        self._unit = rows.unit
        # A piece's owners may include symbols of which no row is read.
        codes = np.zeros(len(rows.owners), dtype=np.int32)
        for place in np.unique(rows.owner).tolist():
            codes[place] = self._code(rows.owners[place])
        files = np.array([self._files.setdefault(name, len(self._files)) for name in rows.files], dtype=np.int32)
        columns = {"code": codes[rows.owner], "timestamp": rows.timestamp, "file": files[rows.file], "line": rows.line}
        self._waiting.append(pa.record_batch(columns | rows.values))
        if sum(map(len, self._waiting)) >= PIECE_ROWS:
            self._write()

    def close(self) -> None:
        self._write()
        index = np.concatenate([np.zeros((0, 4), dtype=np.int64), *self._index])
        np.save(self._folder / "index.npy", index[np.argsort(index[:, 0], kind="stable")])
        about = {
            "symbols": list(self._codes), "names": self._names, "files": list(self._files), "unit": self._unit,
            "faults": self._faults,
        }  # fmt: skip
        (self._folder / "about.json").write_text(json.dumps(about), encoding="utf-8")

    def _code(self, name: str) -> int:
        symbol = usable_symbol(name) or name
        known = self._names.setdefault(symbol, [])
        if name not in known:
            known.append(name)
        return self._codes.setdefault(symbol, len(self._codes))

    def _write(self) -> None:
        if not self._waiting:
            return
        table = pa.Table.from_batches(self._waiting).combine_chunks()
        self._waiting = []
        code = np.asarray(table["code"])
        order = np.argsort(code, kind="stable")
        codes, starts, lengths = np.unique(code[order], return_index=True, return_counts=True)
        self._index.append(np.stack([codes, np.full(len(codes), self._pieces), starts, lengths], axis=1))
        batch = table.drop_columns(["code"]).take(pa.array(order)).combine_chunks().to_batches()[0]
        with (
            pa.OSFile(str(self._folder / f"{self._pieces}.arrow"), "wb") as file,
            pa.ipc.new_file(file, batch.schema) as writer,
        ):
            writer.write_batch(batch)
        self._pieces += 1
