"""Maps a folder's files to symbols: `SYMBOL/INTERVAL/*.EXT`, `SYMBOL.EXT`, or files with a symbol column."""

import json
import re
import shutil
import tempfile
import weakref
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

from schemas.config.interval import is_intraday
from schemas.contract.errors import RequestError
from schemas.contract.quality import Check
from schemas.files.atomic import write_atomic
from schemas.files.locks import lock
from workers.bars.files import split
from workers.bars.files.bar_file import BarFile, other_kind
from workers.bars.files.cells import Report
from workers.bars.files.faults import Faults
from workers.bars.files.listing import About, Listing, from_json, list_files, renamed, to_json
from workers.bars.files.local_time import Zone
from workers.bars.files.rows import Rows, gather
from workers.bars.raw_bars import RawBars
from workers.bars.sources.source_protocol import Source, SourceRequest

# How Spark, dask, polars, pyarrow and pandas name the parts of a data set.
PART = re.compile(r"part[-.]\d+.*|\d{8}|0|[0-9a-f]{32}-\d+")


class Folder(Source):
    """A source in a folder or in one file; subclasses read one kind of file. RequestError if there are no bars.

    A symbol's rows are in the order of its files' names. Files with a symbol column may hold any symbols in any order.
    """

    suffix: ClassVar[str]

    def __init__(self, request: SourceRequest) -> None:
        self.folder = Path(request.folder)
        self.interval = request.interval
        self.timezone = request.timezone
        self.zone = Zone(request.timezone, by_day=not is_intraday(request.interval))
        self.options = request.options
        self._scratch = request.scratch

    def symbols(self) -> list[str]:
        """Every name that has bars of the interval, sorted; some may not be valid symbols."""
        kind = self.suffix[1:]
        if not self.folder.exists():
            raise RequestError(
                f"folder {self.folder} does not exist; give an existing one, such as {kind}:path/to/bars"
            )
        listing = self._listing
        names = {*listing.single, *self._names_in_shared()}
        if self.folder.is_dir():
            names |= {path.name for path in self.folder.iterdir() if self._nested(path.name)}
        if not names and listing.shared:
            wanted = ", ".join(listing.understood)
            raise RequestError(
                f"{self.folder} has no row that is read: {wanted}; choose others with --where NAME=VALUE"
            )
        if not names and listing.others:
            raise RequestError(f"{self.folder} contains no bars: {listing.others[0]}")
        if not names:
            layouts = f"SYMBOL/{self.interval}/*{self.suffix}, no SYMBOL{self.suffix}"
            fix = other_kind(self.folder, self.suffix) or "add bars"
            if self._has_folders():
                fix = "give the folder that holds the files, or --symbol-from file or folder, which looks in all below"
            raise RequestError(
                f"folder {self.folder} has no {layouts} and no *{self.suffix} with a symbol column; {fix}"
            )
        return sorted(names | set(listing.others))

    def understood(self) -> list[str]:
        """The formats that were recognised, and the symbols that stand for other names."""
        names = dict(self._listing.names)
        if self._listing.shared:
            names |= self._split.names
        return [*self._listing.understood, *renamed(names)]

    def read(self, symbol: str) -> RawBars:
        """All readable rows of one symbol; the findings name the others."""
        faults = Faults()
        nested, single, shared = self._nested(symbol), self._listing.single.get(symbol, []), self._listing.shared

        def report(owner: str, check: Check, where: str, detail: str) -> None:
            faults.add(check, where, detail)

        own = nested or [file for file, _ in single]
        pieces = [*self._read_files(own, report)] if own else []
        listed = []
        if shared:
            listed = self._split.rows(symbol)
            self._split.report(symbol, faults)
        places = [str(self._home(symbol))] if nested else []
        places += [str(single[0][0])] if single else []
        places += [str(shared[0])] if any(map(len, listed)) else []
        names = {*self._listing.names.get(symbol, []), *(self._split.names.get(symbol, []) if shared else [])}
        if len(places) > 1:
            faults.add(Check.UNREADABLE, places[0], f"{places[1]} holds bars of {symbol}, too; keep one")
            pieces, listed = [], []
        elif len(names) > 1:
            both = " and ".join(repr(name) for name in sorted(names)[:2])
            faults.add(Check.UNREADABLE, str(self.folder), f"{both} are both read as {symbol}; rename one")
            pieces, listed = [], []
        elif not places and not shared:
            faults.add(
                Check.UNREADABLE, str(self.folder), f"no longer has files of {symbol}; restore them and start again"
            )
        return gather([*pieces, *listed], faults, str([*own, *shared, self.folder][0]))

    @abstractmethod
    def _files_of(self, path: Path) -> list[BarFile]:
        """The files of bars that a path stands for; none for another kind of file."""

    @abstractmethod
    def _about(self, file: BarFile) -> About:
        """What a file's head shows; DataError or OSError if it cannot be read."""

    @abstractmethod
    def _read_files(self, files: list[BarFile], report: Report) -> Iterator[Rows]:
        """The rows of files. What cannot be read is reported."""

    def _home(self, symbol: str) -> Path:
        return self.folder / symbol / self.interval

    def _nested(self, symbol: str) -> list[BarFile]:
        home = self._home(symbol)
        return self._files(home) if home.is_dir() else []

    def _files(self, folder: Path) -> list[BarFile]:
        return [file for path in sorted(folder.iterdir()) if path.is_file() for file in self._files_of(path)]

    def _has_folders(self) -> bool:
        return self.folder.is_dir() and any(path.is_dir() for path in self.folder.iterdir())

    def _flat(self) -> Iterator[BarFile]:
        """The files that are not in `SYMBOL/INTERVAL`, in the order of their names."""
        if not self.folder.is_dir():
            yield from self._files_of(self.folder)
        elif self.options.symbol_from is None:
            for path in sorted(self.folder.iterdir()):
                if path.is_file():
                    yield from self._part(path, self.folder)
                elif _is_partitioned(path) or path.suffix.lower() == self.suffix:
                    yield from self._tree(path)
        else:
            for path in sorted(self.folder.rglob("*")):
                owner = path.parent.name.rpartition("=")[2]
                for file in self._files_of(path) if path.is_file() else []:
                    yield replace(file, name=owner) if self.options.symbol_from == "folder" else file

    def _tree(self, root: Path) -> Iterator[BarFile]:
        """The files of a data set: a folder that is named as a file, or as a column and its value."""
        for path in sorted(root.rglob("*")):
            inner = path.relative_to(self.folder).parts
            if path.is_file() and not any(part.startswith(("_", ".")) for part in inner):
                keys = tuple((key, unquote(value)) for key, sign, value in map(_pair, inner[:-1]) if sign)
                yield from (replace(file, keys=keys) for file in self._part(path, root))

    def _part(self, path: Path, root: Path) -> Iterator[BarFile]:
        """A file; the part of a data set has the name of its folder."""
        for file in self._files_of(path):
            yield replace(file, name=root.stem) if PART.fullmatch(file.name) else file

    def _names_in_shared(self) -> list[str]:
        return [*self._split.names, *self._listing.grouped] if self._listing.shared else []

    @cached_property
    def _listing(self) -> Listing:
        """Of this ingestion: listed once, by the first process that needs it."""
        if self._scratch is None:
            return list_files(self._flat(), self.options, self._about)
        path = self._workplace / "listing.json"
        with _locked(self._workplace):
            if not path.is_file():
                found = list_files(self._flat(), self.options, self._about)
                write_atomic(path, json.dumps(to_json(found)))
        return _stored_listing(path, path.stat().st_mtime_ns)

    @cached_property
    def _split(self) -> split.Split:
        """The files of many symbols, read once per ingestion, by the first process that needs it."""
        done = self._workplace / "rows"
        with _locked(self._workplace):
            if not done.is_dir():
                making = Path(tempfile.mkdtemp(prefix="making-", dir=self._workplace))
                split.split(making / done.name, lambda report: self._read_files(self._listing.shared, report))
                with suppress(OSError):  # another process was first, which the lock did not prevent
                    (making / done.name).rename(done)
                shutil.rmtree(making, ignore_errors=True)
        return _stored_split(done, done.stat().st_mtime_ns)

    @cached_property
    def _workplace(self) -> Path:
        """The folder of the ingestion that these bars are read for, or one that ends with this object."""
        if self._scratch is None:
            folder = tempfile.mkdtemp(prefix="gurukul-bars-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            return Path(folder)
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._scratch


# Of a source and a second one.
@lru_cache(maxsize=2)
def _stored_listing(path: Path, changed_ns: int) -> Listing:
    """The listing of an ingestion; a process reads it once for all of its symbols."""
    return from_json(json.loads(path.read_text(encoding="utf-8")))


@lru_cache(maxsize=2)
def _stored_split(folder: Path, changed_ns: int) -> split.Split:
    """The split of an ingestion; a process reads what it holds once for all of its symbols."""
    return split.load(folder)


def _is_partitioned(folder: Path) -> bool:
    """Whether a folder is one of Hive's partitions, `symbol=TCS`, or holds such folders."""
    return "=" in folder.name or any("=" in path.name and path.is_dir() for path in folder.iterdir())


def _pair(part: str) -> tuple[str, str, str]:
    return part.partition("=")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time, so that each file is read once. Without locks each process reads, and one result stays."""
    with (folder / "lock").open("w") as file:
        lock(file)
        yield
