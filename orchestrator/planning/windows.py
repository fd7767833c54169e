"""Plan windows: lay them over the dates of a run, and judge each by its symbol's coverage. No bars are read."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from math import ceil

from orchestrator.planning.days import TradingDays
from orchestrator.planning.reach import impossible_labels
from schemas.config.run import RunConfig
from schemas.contract.coverage import CoverageTable
from schemas.contract.plan import Plan
from schemas.contract.universe import Universe
from schemas.contract.window import WARMUP_BARS, PlannedWindow, Scope, SkipReason, Window

MIN_WINDOW_DAYS = 7


def lay_windows(symbol: str, start: date, end: date, window_days: int, step_days: int) -> list[Window]:
    """Windows from `start`, one every `step_days`, the last cut at `end`; one shorter than a week is left out.

    A window is scored from its end to the next one's, the last for `step_days`: blocks tile time without overlap.
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


def plan(config: RunConfig, known: CoverageTable, universe: Universe | None = None) -> Plan:
    """Every window of every symbol, by symbol and date, with a skip reason where coverage alone rules it out.

    Where a symbol's last window is a stub that is skipped, the window before it is scored for `step_days`, as if there
    were no stub. Days that are held out are not scored. A window is skipped where its symbol belongs to the `universe`
    on none of its days, or on none of those that it scores. A window that coverage does not rule out may still be
    skipped by the worker, which sees the bars.
    """
    by_symbol = [
        Plan(
            _judge(window, known, config, universe)
            for window in lay_windows(symbol, config.start_date, config.end_date, config.window_days, config.step_days)
        )
        for symbol in config.symbols
    ]
    unused = [_ends_in_unused_stub(own, config) for own in by_symbol]
    if config.scope == "panel":
        # The symbols of a panel share their windows, so a stub that one of them can use stays a window of all.
        unused = [all(unused)] * len(unused)
    laid = (
        each if not is_unused or place != len(own) - 2 else _scored_for(each, config.step_days)
        for own, is_unused in zip(by_symbol, unused, strict=True)
        for place, each in enumerate(own)
    )
    return Plan(_without_holdout(laid, config))


def _scored_for(planned: PlannedWindow, days: int) -> PlannedWindow:
    """The window, scored for so many days."""
    window = planned.window.model_copy(update={"score_end": planned.window.end + timedelta(days=days)})
    return planned.model_copy(update={"window": window})


def _without_holdout(planned: Iterable[PlannedWindow], config: RunConfig) -> Iterable[PlannedWindow]:
    """The windows that score days before those that are held out, and none of these; all of a final run."""
    first = config.holdout_from
    return planned if first is None or config.final else _scored_before(planned, first)


def _scored_before(planned: Iterable[PlannedWindow], day: date, **update: date) -> Iterator[PlannedWindow]:
    """The windows that score days before `day`, and none of the others; `update` has other changes of each."""
    for each in planned:
        if each.window.end < (end := min(each.window.score_end, day)):
            window = each.window.model_copy(update={"score_end": end} | update)
            yield each.model_copy(update={"window": window})


def plan_before(config: RunConfig, known: CoverageTable, day: date, universe: Universe | None = None) -> Plan:
    """The plan of a study: windows that score days before `day`, and no label that ends on it or later."""
    return Plan(_scored_before(plan(config, known, universe), day, labels_before=day))


def start_from(config: RunConfig, day: date) -> date:
    """The start of the first window of the run's grid that ends on `day` or later, and so scores none before it."""
    late = (day - config.start_date).days - config.window_days
    return config.start_date + timedelta(days=max(ceil(late / config.step_days), 0) * config.step_days)


def _ends_in_unused_stub(own: Sequence[PlannedWindow], config: RunConfig) -> bool:
    """Whether a symbol's last window is a stub, cut at the end date, that is not trained and follows another window."""
    if len(own) < 2 or own[-1].skip is None:
        return False
    return (own[-1].window.end - own[-1].window.start).days < config.window_days


def in_scope(plan: Sequence[PlannedWindow], scope: Scope) -> list[PlannedWindow]:
    """The models of a plan's windows: one per window, or with scope panel one per span of days, for all symbols."""
    if scope == "symbol":
        return list(plan)
    panel: dict[str, PlannedWindow] = {}
    for each in plan:
        window = each.window.in_scope(scope)
        known = panel.get(window.label)
        if known is None or (known.skip is not None and each.skip is None):
            panel[window.label] = each.model_copy(update={"window": window})
        elif each.skip is None:
            panel[window.label] = known.model_copy(update={"expected_rows": known.expected_rows + each.expected_rows})
    return list(panel.values())


def _judge(
    window: Window, table: CoverageTable, config: RunConfig, universe: Universe | None
) -> PlannedWindow:  # fmt: skip
    def skip(reason: SkipReason, detail: str) -> PlannedWindow:
        return PlannedWindow(window=window, skip=reason, detail=detail)

    if (rejection := table.rejected.get(window.symbol)) is not None:
        return skip(rejection.reason, rejection.sentence)
    known = table.symbols.get(window.symbol)
    if known is None or known.last < window.start or known.first >= window.end:
        span = f"bars run from {known.first} to {known.last}" if known else "no bars are stored"
        return skip(SkipReason.NO_DATA, span)
    stays = [(window.start, window.end)]
    if universe is not None:
        stays = universe.spans(window.symbol, window.start, window.end)
        for found, first, end in (
            (stays, window.start, window.end),
            (universe.spans(window.symbol, window.end, window.score_end), window.end, window.score_end),
        ):
            if not found:
                return skip(SkipReason.NOT_A_MEMBER, f"it does not belong to the universe from {first} to {end}")
    if (impossible := impossible_labels(known, config)) is not None:
        return skip(*impossible)
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
            f"scoring one row needs {config.horizon + 1} bars from {window.end} on; there are at most {future}, the"
            f" last of {known.last}",
        )
    last = known.last + timedelta(days=1)
    inside = trading.most_bars(max(window.start, known.first), min(window.end, last))
    decided = sum(trading.most_bars(max(first, known.first), min(end, last)) for first, end in stays)
    warm = min(inside, history - WARMUP_BARS)
    rows = max(min(warm - config.horizon, decided), 0)
    if rows < config.min_rows:
        reason = SkipReason.INSUFFICIENT_SAMPLES if warm == inside else SkipReason.INSUFFICIENT_HISTORY
        return skip(reason, f"at most {rows} labelled rows, {config.min_rows} needed")
    return PlannedWindow(window=window, expected_rows=round(rows * trading.density))
