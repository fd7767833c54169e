"""Maps a folder's files to symbols: `SYMBOL/INTERVAL/*.EXT`, `SYMBOL.EXT`, or files with a symbol column."""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from schemas.contract.errors import DataError, RequestError
from schemas.contract.quality import Check
from workers.bars.files.columns import find_columns, symbol_column
from workers.bars.files.faults import Faults
from workers.bars.files.rows import Rows, gather
from workers.bars.raw_bars import RawBars
from workers.bars.sources.source_protocol import Source, SourceRequest


class Folder(Source):
    """A source in a folder or in one file; subclasses read one file format. RequestError if there are no bars.

    A symbol's rows are in the order of its files' names. Files with a symbol column may hold any symbols in any order.
    """

    suffix: ClassVar[str]

    def __init__(self, request: SourceRequest) -> None:
        self.folder = Path(request.folder)
        self.interval = request.interval
        self.timezone = request.timezone

    def symbols(self) -> list[str]:
        """Every name that has bars of the interval, sorted; some may not be valid symbols."""
        if not self.folder.exists():
            kind = self.suffix[1:]
            raise RequestError(
                f"folder {self.folder} does not exist; give an existing one, such as {kind}:path/to/bars"
            )
        single, shared, others = self._flat()
        names = set(single) | {name for path in shared for name in self._listed_symbols(path)}
        if self.folder.is_dir():
            names |= {path.name for path in self.folder.iterdir() if self._nested(path.name)}
        if not names and others:
            raise RequestError(f"{self.folder} contains no bars: {others[0]}")
        if not names:
            layouts = f"SYMBOL/{self.interval}/*{self.suffix}, no SYMBOL{self.suffix}"
            raise RequestError(
                f"folder {self.folder} has no {layouts} and no *{self.suffix} with a symbol column; add bars"
            )
        return sorted(names | set(others))

    def read(self, symbol: str) -> RawBars:
        """All readable rows of one symbol; the findings name the others."""
        faults = Faults()
        single, shared, _ = self._flat()
        nested = self._nested(symbol)
        own = nested or [single[symbol]] if nested or symbol in single else []
        pieces = [*self._pieces(own, None, faults)]
        listed = [*self._pieces(shared, symbol, faults)]
        places = [str(path) for path in (self._home(symbol) if nested else None, single.get(symbol)) if path]
        places += [str(shared[0])] if any(map(len, listed)) else []
        if len(places) > 1:
            faults.add(Check.UNREADABLE, places[0], f"{places[1]} holds bars of {symbol}, too; keep one")
            pieces, listed = [], []
        elif not own and not shared:
            faults.add(
                Check.UNREADABLE, str(self.folder), f"no longer has files of {symbol}; restore them and start again"
            )
        return gather([*pieces, *listed], faults, str([*own, *shared, self.folder][0]))

    @abstractmethod
    def _column_names(self, path: Path) -> list[str]:
        """The column names of a file; DataError or OSError if they cannot be read."""

    @abstractmethod
    def _symbols_in(self, path: Path) -> set[str]:
        """The names in a file's symbol column."""

    @abstractmethod
    def _read_files(self, files: list[Path], symbol: str | None, faults: Faults) -> Iterator[Rows]:
        """The rows of files, only those of `symbol` if it is given. What cannot be read becomes a fault."""

    def _pieces(self, files: list[Path], symbol: str | None, faults: Faults) -> Iterator[Rows]:
        if files:
            yield from self._read_files(files, symbol, faults)

    def _listed_symbols(self, path: Path) -> set[str]:
        try:
            return self._symbols_in(path)
        except (OSError, pa.ArrowException, DataError) as error:
            why = " ".join(str(error).split())
            raise RequestError(f"{path} cannot be read: {why}; correct it or remove it") from None

    def _home(self, symbol: str) -> Path:
        return self.folder / symbol / self.interval

    def _nested(self, symbol: str) -> list[Path]:
        return self._files(self._home(symbol))

    def _flat(self) -> tuple[dict[str, Path], list[Path], list[str]]:
        """Files of one symbol each, by name; files of many symbols; and what is wrong with the others."""
        single, shared, others = {}, [], []
        for path in [self.folder] if self.folder.is_file() else self._files(self.folder):
            names = self._readable_names(path)
            if symbol_column(names) is None:
                single[path.stem] = path
                continue
            try:
                find_columns(names)
                shared.append(path)
            except DataError as error:
                others.append(f"{path.name} ({error})")
        return single, shared, others

    def _readable_names(self, path: Path) -> list[str]:
        try:
            return self._column_names(path)
        except (DataError, OSError, pa.ArrowException):
            return []

    def _files(self, folder: Path) -> list[Path]:
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.suffix.lower() == self.suffix and path.is_file())
