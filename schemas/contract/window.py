"""A window, and its entry in a plan."""

from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Literal

from pydantic import Field

from schemas.contract.base import Frozen
from schemas.contract.identifiers import Symbol

# The longest warm-up that any feature declares (a test compares them): bars before a row that its features need.
WARMUP_BARS = 150
# The longest horizon of a label, in bars.
MAX_HORIZON_BARS = 500
# Fitted rows of each class that a window needs; of values twice as many that are not all the same.
MIN_CLASS_ROWS = 3
# Symbols of one bar that a rank label, and a rank among its symbols, needs.
MIN_RANKED_SYMBOLS = 5


Scope = Literal["symbol", "panel"]

# Replaces the symbol in a window whose model learns from all symbols together.
PANEL = "PANEL"


class SkipReason(StrEnum):
    """Why a window is not trained. All but the last two can be known from coverage alone."""

    NO_DATA = "no_data"
    NOT_A_MEMBER = "not_a_member"
    REJECTED_DATA = "rejected_data"
    MISSING_MAPPING = "missing_mapping"
    INGEST_FAILED = "ingest_failed"
    INSUFFICIENT_HISTORY = "insufficient_history"
    INSUFFICIENT_FUTURE_DATA = "insufficient_future_data"
    INSUFFICIENT_SAMPLES = "insufficient_samples"
    SINGLE_CLASS = "single_class"
    CONSTANT_LABEL = "constant_label"
    PRUNED = "pruned"


class Span(Frozen):
    """The days `[start, end)` of a symbol, on which a window's teacher is trained."""

    symbol: Symbol
    start: date
    end: date

    @cached_property
    def label(self) -> str:
        """`SYMBOL_2022-01-01_to_2022-06-30`, unique in a run."""
        return f"{self.symbol}_{self.start}_to_{self.end}"


class Window(Span):
    """Train on days `[start, end)`, score on days `[end, score_end)`.

    With `labels_before`, a day, only rows whose label's horizon ends before it are scored: no bar of it is read.
    """

    score_end: date
    labels_before: date | None = Field(None, exclude_if=lambda day: day is None)

    @property
    def span(self) -> Span:
        """The days to train on, alone."""
        return Span(symbol=self.symbol, start=self.start, end=self.end)

    def in_scope(self, scope: Scope) -> "Window":
        """The window itself, or that of all symbols over the same days."""
        if scope == "symbol":
            return self
        # Not a copy: that would keep the label.
        return Window(
            symbol=PANEL, start=self.start, end=self.end, score_end=self.score_end, labels_before=self.labels_before
        )


class PlannedWindow(Frozen):
    """A window and, where it cannot be trained, the reason and a sentence about it."""

    window: Window
    skip: SkipReason | None = None
    detail: str = ""
    expected_rows: int = 0
