"""Which files of a source hold which symbols, and what was understood of them."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.config.file_options import FileOptions
from schemas.contract.errors import DataError
from schemas.contract.identifiers import usable_symbol
from workers.bars.files.bar_file import BarFile
from workers.bars.files.columns import SYMBOL_NAMES, Columns, OtherContentError
from workers.bars.files.formats import PLAIN, FileFormat

NAMED = 5


@dataclass(frozen=True)
class About:
    """What a file's head shows. `symbols`: those of a file that has a group of columns for each."""

    form: FileFormat = PLAIN
    has_symbols: bool = False
    symbols: tuple[str, ...] = ()
    reading: str = ""


@dataclass
class Listing:
    """Files of one symbol each, by symbol, with the name that the symbol has there; files of many symbols.

    `others`: files that hold no bars, with the reason. `names`: the names that stand for each symbol. `understood`: a
    sentence per format. `grouped`: the symbols of `shared` that have a group of columns, perhaps without a row.
    """

    single: dict[str, list[tuple[BarFile, str]]] = field(default_factory=dict)
    shared: list[BarFile] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)
    grouped: list[str] = field(default_factory=list)
    understood: list[str] = field(default_factory=list)

    def add(self, file: BarFile, name: str) -> None:
        """Add a file of one symbol, as the file or its name calls it."""
        symbol = usable_symbol(name) or name
        self.single.setdefault(symbol, []).append((file, name))
        known = self.names.setdefault(symbol, [])
        if name not in known:
            known.append(name)


def list_files(files: Iterable[BarFile], options: FileOptions, look: Callable[[BarFile], About]) -> Listing:
    """Sort files by what they hold. `look` reads a file's head; a plain CSV file with a damaged one is a symbol's."""
    listing = Listing()
    seen: Counter[tuple[str, str]] = Counter()
    for file in files:
        key = next((value for key, value in file.keys if key.lower() in SYMBOL_NAMES), None)
        try:
            about = look(file)
        except (DataError, OSError, pa.ArrowException, UnicodeDecodeError) as error:
            why = " ".join(str(error).split())
            if isinstance(error, OtherContentError) or not file.is_plain or usable_symbol(file.name) != file.name:
                listing.others.append(f"{file.member or file.path.name} ({why})")
            else:
                listing.add(file, file.name)
            continue
        seen[about.form.name, about.reading] += 1
        if about.has_symbols and key is None:
            listing.shared.append(file)
        elif len(about.symbols) > 1:
            listing.shared.append(file)
            listing.grouped += [usable_symbol(name) or name for name in about.symbols]
        else:
            listing.add(file, key or next(iter(about.symbols), about.form.symbol(file.name)))
    asked = bool(options.model_dump(exclude_defaults=True))
    listing.understood = [
        f"{count} file{'s' * (count != 1)} read as {name}{reading and f' ({reading})'}"
        for (name, reading), count in seen.items()
        if name != PLAIN.name or reading or asked
    ]
    return listing


def reading_of(form: FileFormat, columns: Columns, options: FileOptions, notes: Iterable[str] = ()) -> str:
    """How files of a format are read, for the report: these notes, the rows, the dates, the column of the volume."""
    wanted = options.where or form.where
    parts = [*notes]
    parts += [f"only {name.upper()}={value}" for name, value in wanted.items()]
    parts += [f"dates {columns.date_format}"] if columns.date_format else []
    volume = form.columns.get("volume", "") if form.name in ("MetaTrader 5", PLAIN.name) else ""
    parts += [f"volume from {volume.upper()}"] if volume else []
    parts += ["no volume"] if columns.values["volume"] is None else []
    return ", ".join(parts)


def renamed(names: dict[str, list[str]]) -> list[str]:
    """A sentence that lists the names for which another stands; none if there are none."""
    pairs = [f"{name} as {symbol}" for symbol, known in sorted(names.items()) for name in known if name != symbol]
    rest = f" and {len(pairs) - NAMED} more" if len(pairs) > NAMED else ""
    return [f"names read otherwise: {', '.join(pairs[:NAMED])}{rest}"] if pairs else []


def to_json(listing: Listing) -> dict[str, Any]:
    """The listing as values of JSON."""
    return vars(listing) | {
        "single": {symbol: [[*_cells(file), name] for file, name in own] for symbol, own in listing.single.items()},
        "shared": [_cells(file) for file in listing.shared],
    }


def from_json(values: dict[str, Any]) -> Listing:
    """The listing that `to_json` made these values of."""
    single = {symbol: [(_file(cells[:4]), cells[4]) for cells in own] for symbol, own in values["single"].items()}
    return Listing(**values | {"single": single, "shared": [_file(cells) for cells in values["shared"]]})


def _cells(file: BarFile) -> list[Any]:
    return [str(file.path), file.member, file.name, [list(pair) for pair in file.keys]]


def _file(cells: list[Any]) -> BarFile:
    path, member, name, keys = cells
    return BarFile(Path(path), member, name, tuple((key, value) for key, value in keys))
