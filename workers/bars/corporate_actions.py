"""Splits and bonus issues: read from a file, and removed from prices and volumes."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal, cast

import numpy as np

from schemas.contract.errors import RequestError
from schemas.contract.identifiers import check_symbol
from schemas.files.text import read_text
from workers.bars.calendar import day_number
from workers.bars.series import Floats, Ints, Series

Kind = Literal["split", "bonus"]

FIELDS = ("symbol", "ex_date", "action", "ratio")
KINDS = {"split": "NEW:OLD", "bonus": "EXTRA:HELD"}
RATIO = re.compile(r"([1-9][0-9]{0,5})\s*:\s*([1-9][0-9]{0,5})")


@dataclass(frozen=True)
class Action:
    """A split of `left` new shares for `right` old ones, or a bonus of `left` extra shares for `right` held."""

    ex_date: date
    kind: Kind
    left: int
    right: int

    @property
    def factor(self) -> float:
        """Multiplier of prices before the ex-date: old shares divided by new ones."""
        return self.right / (self.left + (self.right if self.kind == "bonus" else 0))

    def __str__(self) -> str:
        return f"{self.kind},{self.left}:{self.right}"


def read_actions(path: Path) -> dict[str, tuple[Action, ...]]:
    """Each symbol's actions by ex-date; RequestError names a line that cannot be used and what it should be."""
    rows = _rows(path)
    columns = _columns(*next(rows, (f"{path}", [])))
    found: dict[str, list[Action]] = {}
    seen: dict[tuple[str, date, str], str] = {}
    for where, cells in rows:
        if len(cells) != len(columns):
            raise RequestError(f"{where} has {len(cells)} cells, the header has {len(columns)}; correct the line")
        symbol, action = _action(where, dict(zip(columns, cells, strict=True)))
        earlier = seen.setdefault((symbol, action.ex_date, action.kind), where)
        if earlier != where:
            raise RequestError(f"{where}: {earlier} already has a {action.kind} of {symbol} on that day; keep one")
        found.setdefault(symbol, []).append(action)
    return {symbol: tuple(sorted(actions, key=lambda action: action.ex_date)) for symbol, actions in found.items()}


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """`FILE line N` and the cells of each line, without blank lines and comments."""
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"corporate actions {path} cannot be read: {error}; check --corporate-actions") from None
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield f"{path} line {number}", [cell.strip() for cell in next(csv.reader([line]))]


def _columns(where: str, header: list[str]) -> list[str]:
    columns = [name.lower() for name in header]
    for field in FIELDS:
        if columns.count(field) != 1:
            problem = "no" if field not in columns else "more than one"
            raise RequestError(f"{where}: the header has {problem} column {field}; it should be {','.join(FIELDS)}")
    return columns


def _action(where: str, row: dict[str, str]) -> tuple[str, Action]:
    symbol, day, kind, ratio = (row[field] for field in FIELDS)
    try:
        check_symbol(symbol)
    except ValueError as error:
        raise RequestError(f"{where}: {error}") from None
    kind = kind.lower()
    if kind not in KINDS:
        raise RequestError(f"{where}: action {kind!r} is not one of {', '.join(KINDS)}")
    parts = RATIO.fullmatch(ratio)
    if parts is None:
        raise RequestError(f"{where}: ratio {ratio!r} is not {KINDS[kind]} in whole numbers above 0, such as 2:1")
    action = Action(_day(where, day), cast(Kind, kind), int(parts[1]), int(parts[2]))
    if action.factor == 1:
        raise RequestError(f"{where}: a split of {ratio} changes nothing; one extra share per share held is bonus,1:1")
    return symbol, action


def _day(where: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # fromisoformat also accepts 20240621 and 2024-W25-5, which are probably mistakes here.
    if day is None or day.isoformat() != text:
        raise RequestError(f"{where}: ex_date {text!r} is not a date; write YYYY-MM-DD")
    return day


def factors(session: Ints, actions: Sequence[Action]) -> Floats:
    """One price multiplier per bar: the product over all actions with an ex-date after the bar's session."""
    ordered = sorted(actions, key=lambda action: action.ex_date)
    ex_dates = np.array([day_number(action.ex_date) for action in ordered], dtype=np.int64)
    latest_first = [1.0, *(action.factor for action in reversed(ordered))]
    later = np.cumprod(latest_first, dtype=np.float64)[::-1]
    return later[np.searchsorted(ex_dates, session, side="right")]


def adjusted(series: Series, actions: Sequence[Action]) -> tuple[Series, Floats]:
    """The series in shares of its last day, and each bar's factor: prices are multiplied by it, volume is divided."""
    factor = factors(series.session, actions)
    prices = {name: getattr(series, name) * factor for name in ("open", "high", "low", "close")}
    return replace(series, **prices, volume=series.volume / factor), factor
