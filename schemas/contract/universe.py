"""A universe by date: from when until when each symbol belongs, such as the members of an index over the years."""

from datetime import date, timedelta
from hashlib import sha256
from typing import Self

from pydantic import Field, model_validator

from schemas.contract.base import Frozen
from schemas.contract.identifiers import Symbol

HEADER = ("symbol", "from", "to")
# Calendar days without bars that are no gap: a long weekend with holidays.
SLACK_DAYS = 7
# Days `[first, until)`.
Days = tuple[date, date]


class Stay(Frozen):
    """The days `[first, until)` on which a symbol belongs; `until` is None where it still does."""

    first: date
    until: date | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.until is not None and self.until <= self.first:
            raise ValueError(f"it ends on {self.until}, not after its first day {self.first}")
        return self


class Universe(Frozen):
    """The stays of each symbol in order, none of which overlap."""

    stays: dict[Symbol, tuple[Stay, ...]] = Field(min_length=1)

    def spans(self, symbol: str, start: date, end: date) -> list[Days]:
        """The parts of the days `[start, end)` on which a symbol belongs, each without its end."""
        parts = [(max(each.first, start), min(each.until or end, end)) for each in self.stays.get(symbol, ())]
        return [(first, until) for first, until in parts if first < until]

    def lacking(self, symbol: str, bars: tuple[date, date] | None, start: date, end: date) -> list[Days]:
        """The parts of `[start, end)` on which a symbol belongs, before its first bar and after its last one.

        `bars`: the days of these two; None if it has none. A part of SLACK_DAYS or fewer is a weekend or a holiday.
        """
        found: list[Days] = []
        for since, until in self.spans(symbol, start, end):
            if bars is None:
                found.append((since, until))
            else:
                found += [(since, min(bars[0], until)), (max(bars[1] + timedelta(days=1), since), until)]
        return [(since, until) for since, until in found if (until - since).days > SLACK_DAYS]

    def members(self, start: date, end: date) -> list[str]:
        """The symbols that belong on a day of `[start, end)`, in order."""
        return sorted(symbol for symbol in self.stays if self.spans(symbol, start, end))

    @property
    def text(self) -> str:
        """The universe as CSV, the same whatever the order of its file."""
        rows = [(symbol, each) for symbol in sorted(self.stays) for each in self.stays[symbol]]
        lines = [f"{symbol},{each.first},{each.until or ''}" for symbol, each in rows]
        return "\n".join([",".join(HEADER), *lines, ""])

    @property
    def sha256(self) -> str:
        """The digest that identifies it."""
        return sha256(self.text.encode()).hexdigest()
