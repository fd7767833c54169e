"""The plan of a run: up to a million windows, of which each takes 28 bytes and becomes an object when it is read."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, Self, overload

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from schemas.contract.window import PANEL, PlannedWindow, SkipReason, Window


class Plan(Sequence[PlannedWindow]):
    """Planned windows in their order: by symbol, then by date. Equal to any sequence of equal windows."""

    def __init__(self, windows: Iterable[PlannedWindow] = ()) -> None:
        """ValueError if a window expects more rows than a number of 64 bits counts."""
        self._symbols: list[str] = []
        # Of each symbol, the places of its windows.
        self._ranges: dict[str, tuple[int, int]] = {}
        self._symbol, self._expected_rows = array("I"), array("q")
        # Days since 0001-01-01; 0 where there is none.
        self._start, self._end, self._score_end, self._labels_before = (array("i") for _ in range(4))
        self._skips: dict[int, tuple[SkipReason | None, str]] = {}
        for each in windows:
            self._append(each)

    def _append(self, planned: PlannedWindow) -> None:
        window, place = planned.window, len(self)
        first, after = self._ranges.get(window.symbol, (place, place))
        if not self._symbols or self._symbols[-1] != window.symbol:
            self._symbols.append(window.symbol)
        # Only the last windows in a row are found by their symbol, as in no plan of a run there are others.
        self._ranges[window.symbol] = (first if after == place else place, place + 1)
        try:
            self._expected_rows.append(planned.expected_rows)
        except OverflowError:
            raise ValueError(f"{window.label} expects {planned.expected_rows} rows, more than can be") from None
        self._symbol.append(len(self._symbols) - 1)
        self._start.append(window.start.toordinal())
        self._end.append(window.end.toordinal())
        self._score_end.append(window.score_end.toordinal())
        self._labels_before.append(window.labels_before.toordinal() if window.labels_before is not None else 0)
        if planned.skip is not None or planned.detail:
            self._skips[place] = planned.skip, planned.detail

    def __len__(self) -> int:
        return len(self._symbol)

    @overload
    def __getitem__(self, place: int) -> PlannedWindow: ...

    @overload
    def __getitem__(self, place: slice) -> list[PlannedWindow]: ...

    def __getitem__(self, place: int | slice) -> PlannedWindow | list[PlannedWindow]:
        if isinstance(place, slice):
            return [self._at(each) for each in range(*place.indices(len(self)))]
        return self._at(range(len(self))[place])

    def __iter__(self) -> Iterator[PlannedWindow]:
        return map(self._at, range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(PlannedWindow.__eq__, self, other))

    def __hash__(self) -> int:
        return hash((len(self), self._start.tobytes()))

    def __repr__(self) -> str:
        return f"Plan({len(self)} windows)"

    def find(self, symbol: str, start: date, end: date) -> PlannedWindow | None:
        """The window of a symbol that is trained on days `[start, end)`; None if the plan has none."""
        first, after = self._ranges.get(symbol, (0, 0))
        place = bisect_left(self._start, start.toordinal(), first, after)
        if place < after and (self._start[place], self._end[place]) == (start.toordinal(), end.toordinal()):
            return self._at(place)
        return None

    def labelled(self, label: str) -> PlannedWindow | None:
        """The window of that label; None if the plan has none."""
        found = parts_of(label)
        return None if found is None else self.find(*found)

    def spanning(self, start: date, end: date) -> list[PlannedWindow]:
        """The windows of all symbols that are trained on days `[start, end)`, by symbol."""
        found = (self.find(symbol, start, end) for symbol in self._ranges)
        return [each for each in found if each is not None]

    def taught_by(self, label: str) -> list[PlannedWindow]:
        """The windows whose teacher has that label: its own symbol's, or those of all symbols for a panel's teacher."""
        parts = parts_of(label)
        if parts is None:
            return []
        symbol, start, end = parts
        if symbol == PANEL and symbol not in self._ranges:
            return self.spanning(start, end)
        found = self.find(symbol, start, end)
        return [] if found is None else [found]

    def _at(self, place: int) -> PlannedWindow:
        skip, detail = self._skips.get(place, (None, ""))
        before = self._labels_before[place]
        # What was validated once is not validated again: these are read a million times.
        window = Window.model_construct(
            symbol=self._symbols[self._symbol[place]], start=date.fromordinal(self._start[place]),
            end=date.fromordinal(self._end[place]), score_end=date.fromordinal(self._score_end[place]),
            labels_before=date.fromordinal(before) if before else None,
        )  # fmt: skip
        return PlannedWindow.model_construct(
            window=window, skip=skip, detail=detail, expected_rows=self._expected_rows[place]
        )

    @classmethod
    def _of(cls, windows: Iterable[PlannedWindow]) -> Self:
        return windows if isinstance(windows, cls) else cls(windows)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A list of windows, of which one at a time is an object while it is read."""
        windows = core_schema.generator_schema(handler(PlannedWindow))
        either = core_schema.union_schema([core_schema.is_instance_schema(cls), windows], mode="left_to_right")
        return core_schema.no_info_after_validator_function(
            cls._of,
            core_schema.json_or_python_schema(json_schema=windows, python_schema=either),
            serialization=core_schema.plain_serializer_function_ser_schema(
                list, return_schema=core_schema.list_schema(handler(PlannedWindow))
            ),
        )


def parts_of(label: str) -> tuple[str, date, date] | None:
    """Symbol, first day and end of the window with a label; None for another text."""
    symbol = label.rpartition("_to_")[0].rpartition("_")[0]
    try:
        start, end = date.fromisoformat(label[len(symbol) + 1 : len(symbol) + 11]), date.fromisoformat(label[-10:])
    except ValueError:
        return None
    return (symbol, start, end) if label == f"{symbol}_{start}_to_{end}" else None
