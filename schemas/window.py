"""A window, and what a plan says about it."""

from datetime import date
from enum import StrEnum
from functools import cached_property

from schemas.base import Frozen
from schemas.names import Symbol

# The longest warm-up that any feature declares (a test compares them): bars before a row that its features need.
WARMUP_BARS = 150


class SkipReason(StrEnum):
    """Why a window is not trained. The first four can be known from coverage alone."""

    NO_DATA = "no_data"
    INSUFFICIENT_HISTORY = "insufficient_history"
    INSUFFICIENT_FUTURE_DATA = "insufficient_future_data"
    INSUFFICIENT_SAMPLES = "insufficient_samples"
    SINGLE_CLASS = "single_class"


class Window(Frozen):
    """Train on days `[start, end)`, score on days `[end, score_end)`."""

    symbol: Symbol
    start: date
    end: date
    score_end: date

    @cached_property
    def label(self) -> str:
        """`SYMBOL_2022-01-01_to_2022-06-30`, unique in a run."""
        return f"{self.symbol}_{self.start}_to_{self.end}"


class PlannedWindow(Frozen):
    """A window and, where it cannot be trained, the reason and a sentence about it."""

    window: Window
    skip: SkipReason | None = None
    detail: str = ""
    expected_rows: int = 0
