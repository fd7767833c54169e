"""Finds a file's columns by name, in any case and order; other columns are ignored."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from schemas.config.file_options import FileOptions
from schemas.contract.errors import DataError
from workers.bars.files.formats import PLAIN, FileFormat, plain_name
from workers.bars.files.names import TIME_NAMES, other_name
from workers.bars.series import COLUMNS

# What the first column is called where pandas wrote an index without a name.
UNNAMED = ("", "unnamed: 0", "index")
SYMBOL_NAMES = ("symbol", "ticker", "tradingsymbol")
# `--columns volume=0` of a source that has no volume.
ABSENT = "0"
LONGEST_NAMES = 200

# How programs write that a cell of a sparse file has no number.
NO_VALUES = ("", "null", "NaN", "nan")

_SCALES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
# A currency before or after a number, and what separates its thousands beside points and commas.
_CURRENCY = re.compile(r"([-+]?) ?(?:Rs\.?|[A-Z]{3}|[$€£₹¥])? ?([-+]?[\d.,]+) ?(?:[A-Z]{3}|[$€£₹¥])?")
_GAPS = re.compile(r"(?<=\d)['\u2019 ](?=\d{3}(?!\d))")
_ROUGH = re.compile(r"[-+]?[$€£₹]?(\d{1,3}(,\d{2,3})*,\d{3}|\d+)(\.\d*)?([KMBTkmbt])?")
# Thousands as they are written in most countries and in India: 1,234,567.5 and 12,34,567.5.
_GROUPED = re.compile(r"[-+]?(\d{1,3}(,\d{3})+|\d{1,2}(,\d{2})+,\d{3})(\.\d*)?")


class OtherContentError(DataError):
    """A file with a column of symbols that holds no bars, such as a list of events."""


@dataclass(frozen=True)
class Columns:
    """Positions in a header of `width` columns; `symbol` is None if the file holds one symbol.

    A column of `values` without a position is 0 in every row. `clock` is a column with the time of day. Only rows whose
    cell at a position of `where` is one of its values are read. `date_format` is "" for timestamps that show their
    form. `signed`: prices have a currency, or blanks or apostrophes between thousands. `sparse`: a row without any
    price is no row. `owner`: the symbol of all rows. `groups`: the values of each symbol, in a file that has a group of
    columns per symbol. The other fields are those of FileFormat.
    """

    width: int
    time: int
    values: dict[str, int | None]
    symbol: int | None
    clock: int | None = None
    where: tuple[tuple[int, tuple[str, ...]], ...] = ()
    date_format: str = ""
    delimiter: str = ","
    decimal: str = "."
    rough: bool = False
    signed: bool = False
    sparse: bool = False
    zone: str = ""
    owner: str = ""
    groups: tuple[tuple[str, dict[str, int | None]], ...] = ()

    @property
    def prices(self) -> list[int]:
        """The positions of open, high, low and close."""
        return [place for name, place in self.values.items() if place is not None and name != "volume"]

    def apart(self) -> list["Columns"]:
        """The columns of each group; these columns if there is one."""
        each = [replace(self, owner=owner, values=values, groups=()) for owner, values in self.groups]
        return each or [self]


def find_columns(names: list[str], form: FileFormat = PLAIN, options: FileOptions | None = None) -> Columns:
    """The positions of the needed columns; DataError names a column that is missing or duplicated."""
    options = options or FileOptions()
    header = _Header(names, form, options)
    time = header.time()
    values = {name: header.value(name) for name in COLUMNS}
    absent = [name for name in COLUMNS if options.columns.get(name) == ABSENT or (name == "volume" and form.no_volume)]
    missing = [name for name in COLUMNS if values[name] is None and name not in absent]
    missing += [] if time is not None else ["timestamp"]
    if missing:
        known = [name for name in missing if name not in options.columns]
        wrong = "".join(f"; --columns names {options.columns[name]!r}" for name in missing if name not in known)
        needed = f"needed are timestamp, {', '.join(COLUMNS)}; the file has {', '.join(names)[:LONGEST_NAMES]}"
        if known and not wrong:
            wrong = f"; name it: --columns {known[0]}=NAME"
        if missing == ["volume"]:
            wrong += "; --columns volume=0 if there is none"
        kind = DataError if symbol_column(names) is None else OtherContentError
        lacking = f"column {missing[0]} is" if len(missing) == 1 else f"columns {', '.join(sorted(missing))} are"
        raise kind(f"{lacking} missing; {needed}{wrong}")
    symbol = header.symbol()
    if options.symbol_from == "column" and symbol is None:
        raise DataError("has no column of symbols; name it with --columns symbol=NAME")
    return Columns(
        len(names), int(time or 0), values, symbol, header.clock(time), header.where(), rough=form.rough,
        sparse=form.sparse, zone=form.zone,
    )  # fmt: skip


def group_columns(groups: Mapping[str, list[str]], form: FileFormat, options: FileOptions) -> Columns:
    """The columns of files with a group of columns per symbol; of one group, the columns of a file of one symbol."""
    found = {owner: find_columns(names, form, options) for owner, names in groups.items()}
    first = next(iter(found.values()))
    if len(found) == 1:
        return first
    return replace(first, groups=tuple((owner, columns.values) for owner, columns in found.items()))


class _Header:
    """A header's columns by name, as the user, the format or the general rule names them."""

    def __init__(self, names: list[str], form: FileFormat, options: FileOptions) -> None:
        self._names = [name.strip() for name in names]
        self._plain = [plain_name(name) for name in names]
        self._form = form
        self._options = options

    def value(self, name: str) -> int | None:
        if self._is_named(name):
            return self._named(name)
        other = other_name(name, self._plain)
        return None if other is None else self._find(other)

    def time(self) -> int | None:
        if self._is_named("timestamp"):
            return self._named("timestamp")
        known = next((self._find(name) for name in TIME_NAMES if name in self._plain), None)
        return 0 if known is None and self._plain[:1] and self._plain[0] in UNNAMED else known

    def clock(self, time: int | None) -> int | None:
        """The time of day beside a date: the column that is named, or `time` beside `date`."""
        if self._is_named("time"):
            return self._named("time")
        is_date = time is not None and self._plain[time] in ("date", "<date>")
        return self._find("time") if is_date and not self._is_named("timestamp") else None

    def symbol(self) -> int | None:
        if self._options.symbol_from in ("file", "folder"):
            return None
        if self._is_named("symbol"):
            return self._named("symbol")
        return symbol_column(self._names) if "symbol" not in self._form.columns else None

    def where(self) -> tuple[tuple[int, tuple[str, ...]], ...]:
        wanted: Mapping[str, str] = self._options.where or self._form.where
        found = []
        for name, values in wanted.items():
            place = self._position(name)
            if place is None:
                raise DataError(f"column {name} is missing, which --where names")
            found.append((place, tuple(value.strip() for value in values.split("|"))))
        return tuple(found)

    def _is_named(self, name: str) -> bool:
        return name in self._options.columns or name in self._form.columns

    def _named(self, name: str) -> int | None:
        if name in self._options.columns:
            return self._position(self._options.columns[name])
        return self._find(self._form.columns[name])

    def _position(self, name: str) -> int | None:
        """The column of a name that the user gives: as it is written, else in plain form, else its number from 1."""
        if self._names.count(name.strip()) == 1:
            return self._names.index(name.strip())
        if plain_name(name) in self._plain:
            return self._find(plain_name(name))
        return int(name) - 1 if name.isdecimal() and 0 < int(name) <= len(self._names) else None

    def _find(self, plain: str) -> int | None:
        if self._plain.count(plain) > 1:
            raise DataError(f"column {self._names[self._plain.index(plain)]} appears twice; keep one")
        return self._plain.index(plain) if plain in self._plain else None


def symbol_column(names: list[str]) -> int | None:
    """The position of the symbol column, if there is one."""
    plain = [plain_name(name) for name in names]
    return next((plain.index(name) for name in SYMBOL_NAMES if name in plain), None)


def number(text: str) -> float | None:
    """The number in a cell, also with thousands, `1,234.5` or `1,23,456`; None for any other text.

    Such as `1,5`, `1,234` (which may be a decimal comma), `1_000` or an empty cell.
    """
    try:
        value = float(text)
    except ValueError:
        return grouped_number(text) if "." in text or text.count(",") > 1 else None
    return value if text.isascii() and "_" not in text else None


def grouped_number(text: str) -> float | None:
    """The number in a cell with thousands, also if they are its only sign, as in `1,234`; None for any other text."""
    return float(text.replace(",", "")) if text.isascii() and _GROUPED.fullmatch(text.strip()) else None


def bare_number(text: str) -> str:
    """A cell without a currency and without blanks or apostrophes between thousands; any other text as it is."""
    plain = _GAPS.sub("", text.replace("\xa0", " ").replace("\u202f", " ").strip())
    found = _CURRENCY.fullmatch(plain)
    return f"{found[1]}{found[2]}" if found else text


def has_gaps(text: str) -> bool:
    """Whether blanks or apostrophes separate the thousands of a number."""
    return bool(_GAPS.search(text.replace("\xa0", " ").replace("\u202f", " ")))


def rough_number(text: str) -> float | None:
    """The number in a cell for people, such as `1,234.5`, `12,34,567`, `$3.1` or `1.2M`; None for any other text."""
    found = _ROUGH.fullmatch(text.strip())
    if found is None:
        return number(text)
    scale = _SCALES[found[4].lower()] if found[4] else 1.0
    value = float(f"{found[1].replace(',', '')}{found[3] or ''}") * scale
    return -value if text.strip().startswith("-") else value
