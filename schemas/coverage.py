"""What is known about a symbol's stored bars without reading them."""

from datetime import date

from pydantic import Field

from schemas.base import Frozen
from schemas.names import Symbol


class Coverage(Frozen):
    """One symbol's stored bars: how many, from when to when, from where, and their digest.

    `weekdays` (0 is Monday) are those of nearly all sessions, `special_sessions` the days that fall on others.
    """

    symbol: Symbol
    interval: str
    bars: int
    sessions: int
    most_bars_a_session: int
    weekdays: tuple[int, ...]
    special_sessions: tuple[date, ...]
    first: date
    last: date
    source: str
    adjusted: bool
    sha256: str


class CoverageTable(Frozen):
    """`coverage.json`: every stored symbol of one interval."""

    symbols: dict[str, Coverage] = Field(default_factory=dict)
