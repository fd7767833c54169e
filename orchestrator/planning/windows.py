"""Lay windows over each symbol's known span: arithmetic on dates and coverage, no bars."""

from collections.abc import Sequence
from datetime import date, timedelta
from math import ceil

from schemas.config.interval import whole_bars_per_session
from schemas.config.run import RunConfig
from schemas.config.sources import split_source
from schemas.contract.coverage import Coverage, CoverageTable
from schemas.contract.window import WARMUP_BARS, PlannedWindow, Scope, SkipReason, Window

MIN_WINDOW_DAYS = 7

DAYS_PER_SESSION, HOLIDAYS = 7 / 5, 15


def lay_windows(symbol: str, start: date, end: date, window_days: int, step_days: int) -> list[Window]:
    """Windows from `start`, one each `step_days`, the last cut at `end`; one shorter than a week is left out.

    A window is scored from its end to the next one's, so that scored blocks tile time without overlap.
    """
    spans: list[tuple[date, date]] = []
    while start < end:
        stop = min(start + timedelta(days=window_days), end)
        if (stop - start).days < MIN_WINDOW_DAYS:
            break
        spans.append((start, stop))
        if stop == end:
            break
        start += timedelta(days=step_days)
    ends = [stop for _, stop in spans[1:]] + [spans[-1][1] + timedelta(days=step_days)] if spans else []
    return [
        Window(symbol=symbol, start=begin, end=stop, score_end=score_end)
        for (begin, stop), score_end in zip(spans, ends, strict=True)
    ]


def days_to_fetch(config: RunConfig, today: date) -> tuple[date | None, date | None]:
    """First and last day that a vendor is asked for: warm-up, windows and scored blocks, up to yesterday.

    A source that needs no dates is read whole: (None, None).
    """
    if not split_source(config.source)[0].needs_dates:
        return None, None
    sessions = ceil(WARMUP_BARS / whole_bars_per_session(config.interval))
    first = config.start_date - timedelta(days=ceil(sessions * DAYS_PER_SESSION) + HOLIDAYS)
    last = config.end_date + timedelta(days=config.step_days + HOLIDAYS)
    return first, min(last, today - timedelta(days=1))


def plan(config: RunConfig, known: CoverageTable) -> list[PlannedWindow]:
    """Every window of every symbol, by symbol and date, with a skip reason where coverage alone rules it out.

    A window that coverage does not rule out may still be skipped by the worker, which sees the bars.
    """
    return [
        _judge(window, known, config)
        for symbol in config.symbols
        for window in lay_windows(symbol, config.start_date, config.end_date, config.window_days, config.step_days)
    ]


def teachers(plan: Sequence[PlannedWindow], scope: Scope) -> list[PlannedWindow]:
    """The teachers of a plan's windows: one each, or one of all symbols for each span of days."""
    if scope == "symbol":
        return list(plan)
    panel: dict[str, PlannedWindow] = {}
    for each in plan:
        window = each.window.taught_in(scope)
        known = panel.get(window.label)
        if known is None or (known.skip is not None and each.skip is None):
            panel[window.label] = each.model_copy(update={"window": window})
        elif each.skip is None:
            panel[window.label] = known.model_copy(update={"expected_rows": known.expected_rows + each.expected_rows})
    return list(panel.values())


def _judge(window: Window, table: CoverageTable, config: RunConfig) -> PlannedWindow:
    def skip(reason: SkipReason, detail: str) -> PlannedWindow:
        return PlannedWindow(window=window, skip=reason, detail=detail)

    if (rejection := table.rejected.get(window.symbol)) is not None:
        return skip(rejection.reason, rejection.sentence)
    known = table.symbols.get(window.symbol)
    if known is None or known.last < window.start or known.first >= window.end:
        span = f"bars run from {known.first} to {known.last}" if known else "no bars are stored"
        return skip(SkipReason.NO_DATA, span)
    trading = TradingDays(known)
    history = trading.most_bars(known.first, window.end)
    if history - config.horizon < WARMUP_BARS + 1:
        return skip(
            SkipReason.INSUFFICIENT_HISTORY,
            f"at most {history} bars from {known.first} to {window.end}; a row needs {WARMUP_BARS} before it",
        )
    future = trading.most_bars(window.end, known.last + timedelta(days=1))
    if future < config.horizon + 1:
        return skip(
            SkipReason.INSUFFICIENT_FUTURE_DATA,
            f"at most {future} bars from {window.end} to {known.last}; scoring one row needs {config.horizon + 1}",
        )
    inside = trading.most_bars(max(window.start, known.first), min(window.end, known.last + timedelta(days=1)))
    warm = min(inside, history - WARMUP_BARS)
    rows = max(warm - config.horizon, 0)
    if rows < config.min_rows:
        reason = SkipReason.INSUFFICIENT_SAMPLES if warm == inside else SkipReason.INSUFFICIENT_HISTORY
        return skip(reason, f"at most {rows} labelled rows, {config.min_rows} needed")
    return PlannedWindow(window=window, expected_rows=round(rows * trading.density))


class TradingDays:
    """Upper bounds on the bars of a span within a symbol's known history, from its coverage."""

    def __init__(self, known: Coverage) -> None:
        self._known = known
        most = self.most_bars(known.first, known.last + timedelta(days=1))
        self.density = known.bars / most

    def most_bars(self, start: date, stop: date) -> int:
        """Bars that `[start, stop)` can hold at most."""
        if stop <= start:
            return 0
        weeks, rest = divmod((stop - start).days, 7)
        weekdays = self._known.weekdays
        usual = weeks * len(weekdays) + sum((start.weekday() + i) % 7 in weekdays for i in range(rest))
        special = sum(start <= day < stop for day in self._known.special_sessions)
        return (usual + special) * self._known.most_bars_a_session
