"""Reads bars from a source, cleans, merges, adjusts and judges them. `ingest`, `run` and `plan` all use it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from schemas.config.bars import NO_CALENDAR, BarsSettings
from schemas.contract.coverage import Coverage, OddDays, Rejection
from schemas.contract.errors import RequestError
from schemas.contract.quality import Check, Finding, Verdict, worst
from schemas.contract.task import Ingested
from schemas.contract.window import SkipReason
from schemas.files.atomic import write_atomic
from schemas.files.layout import SCRATCH, BarsLayout
from workers.bars import corporate_actions, quality, store
from workers.bars.affected_windows import affected_windows
from workers.bars.calendar import Calendar, day_number, day_of, open_calendar
from workers.bars.clean import clean, to_table
from workers.bars.merge import merge, unadjusted
from workers.bars.raw_bars import CleanBars
from workers.bars.rises import rises_of
from workers.bars.second_source import month_digests, second_source
from workers.bars.series import Ints, Series
from workers.bars.session_coverage import odd_days
from workers.bars.sources.registry import open_folder, open_source
from workers.bars.sources.source_protocol import DaySpan

# What all symbols share of the second source, in the folder of the ingestion.
SECOND = "second"
REASONS = {Check.MISSING_MAPPING: SkipReason.MISSING_MAPPING, Check.NO_BARS: SkipReason.NO_DATA}


@dataclass(frozen=True)
class Assessed:
    """The verdict on a symbol, and the bytes to store (empty if it is rejected)."""

    ingested: Ingested
    content: bytes


def ingest(settings: BarsSettings, symbol: str, data_dir: str, run_id: str, acquire: Callable[[], object]) -> Ingested:
    """Assess one symbol and stage its bars; the ingestion `run_id` later stores all staged symbols in one step."""
    staged = BarsLayout.under(data_dir, settings.interval).staged(run_id)
    assessed = assess(settings, symbol, data_dir, acquire, staged / SCRATCH)
    if assessed.ingested.stored is not None:
        write_atomic(staged / f"{symbol}.parquet", assessed.content)
    return assessed.ingested


def assess(
    settings: BarsSettings, symbol: str, data_dir: str, acquire: Callable[[], object], scratch: Path | None = None
) -> Assessed:
    """Judge one symbol's bars without storing them. `acquire` blocks until a request to a vendor may be sent.

    `scratch`: a folder for what all symbols of an ingestion share (see SourceRequest).
    """
    bars = BarsLayout.under(data_dir, settings.interval)
    calendar = calendar_of(settings)
    actions = _actions(settings).get(symbol, ())
    stored = store.read(bars.bars(symbol)) if settings.incremental else None
    before = None if stored is None else unadjusted(*stored)
    spans = spans_to_fetch(settings, before, calendar)
    source = open_source(settings, spans, bars.fetched(symbol), acquire, scratch)
    raw = source.read(symbol)
    read = _between(clean(raw, source.timezone), settings)
    findings = list(read.findings)
    if before is not None:
        findings = [finding for finding in findings if finding.check is not Check.NO_BARS]
        read, changed = _merged(before, read, symbol, source.timezone)
        findings += _changes(changed, before, read.series, symbol, data_dir)
    if not len(read.series):
        return _rejected(settings, symbol, findings or [_nothing_between(settings)])
    series, factor = corporate_actions.adjusted(read.series, actions)
    known = quality.check(
        replace(read, series=series), symbol=symbol, interval=settings.interval, calendar=calendar, actions=actions
    )
    findings += known.findings
    if any(finding.check is Check.INTERVAL for finding in known.findings):
        # Read as days, minutes may seem to go back.
        findings = [finding for finding in findings if finding.check is not Check.UNSORTED]
    findings += _compared(settings, series, symbol, scratch)
    if worst(findings) is Verdict.REJECT:
        return _rejected(settings, symbol, findings)
    content = store.encode(to_table(series, factor))
    return Assessed(
        Ingested(
            stored=_coverage(
                settings,
                symbol,
                series,
                content,
                known,
                findings,
                timezone=source.timezone,
                adjusted=raw.adjusted or bool((factor != 1).any()),
            ),
            months=month_digests(read.series),
            odd_days=odd_days(series, calendar) if settings.interval != "1week" else OddDays(),
        ),
        content,
    )


def calendar_of(settings: BarsSettings) -> Calendar | None:
    """The exchange calendar of the settings, or None; RequestError if its name is unknown."""
    if settings.calendar == NO_CALENDAR:
        return None
    try:
        return open_calendar(settings.calendar)
    except ValueError as error:
        raise RequestError(f"--calendar {settings.calendar}: {error}") from None


def spans_to_fetch(settings: BarsSettings, stored: Series | None, calendar: Calendar | None) -> list[DaySpan]:
    """The days to request from a vendor: all, or those not stored and the last stored one, which may have changed."""
    if settings.first is None or settings.last is None:
        return []
    if stored is None or not len(stored):
        return [(settings.first, settings.last)]
    last_stored = day_of(stored.session[-1])
    if calendar is None:
        return [(last_stored, settings.last)] if last_stored <= settings.last else []
    sessions = calendar.sessions(settings.first, settings.last)
    missing = ~np.isin(sessions, stored.session) | (sessions == stored.session[-1])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    return [
        (day_of(sessions[begin]), day_of(sessions[end - 1])) for begin, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def _actions(settings: BarsSettings) -> dict[str, tuple[corporate_actions.Action, ...]]:
    return corporate_actions.read_actions(Path(settings.corporate_actions)) if settings.corporate_actions else {}


def _between(bars: CleanBars, settings: BarsSettings) -> CleanBars:
    """Bars of the requested days, which are one slice because bars are sorted."""
    session = bars.series.session
    first = 0 if settings.first is None else int(np.searchsorted(session, day_number(settings.first), "left"))
    last = len(session) if settings.last is None else int(np.searchsorted(session, day_number(settings.last), "right"))
    if (first, last) == (0, len(session)):
        return bars
    series = Series(**{name: values[first:last] for name, values in vars(bars.series).items()})
    return CleanBars(series, lambda row: bars.locate(row + first), bars.findings)


def _nothing_between(settings: BarsSettings) -> Finding:
    return Finding(
        check=Check.NO_BARS,
        verdict=Verdict.REJECT,
        count=0,
        where=settings.source,
        detail=f"no bar from {settings.first or 'the first'} to {settings.last or 'the last day'}; choose other days",
    )


def _merged(before: Series, read: CleanBars, symbol: str, timezone: str) -> tuple[CleanBars, Ints]:
    """Stored and new bars merged, and the stored positions of bars that changed."""
    series, changed = merge(before, read.series)
    at = np.searchsorted(before.timestamp, read.series.timestamp[changed])
    return CleanBars(series, partial(_local, symbol, series, ZoneInfo(timezone)), read.findings), at


def _local(symbol: str, series: Series, zone: ZoneInfo, row: int) -> str:
    return f"{symbol} {datetime.fromtimestamp(int(series.timestamp[row]) / 1e6, zone):%Y-%m-%d %H:%M}"


def _changes(at: Ints, before: Series, now: Series, symbol: str, data_dir: str) -> list[Finding]:
    if not len(at):
        return []
    first = int(at[0])
    new = int(np.searchsorted(now.timestamp, before.timestamp[first]))
    day = day_of(before.session[first])
    name = next(
        name
        for name in ("close", "open", "high", "low", "volume")
        if getattr(before, name)[first] != getattr(now, name)[new]
    )
    was, became = getattr(before, name)[first], getattr(now, name)[new]
    count = f"{len(at)} stored bar{'s' * (len(at) > 1)}"
    detail = (
        f"{count} changed in the source, first {day} {name} from {was:g} to {became:g};"
        f" the new values are stored; {affected_windows(Path(data_dir), symbol, day)}"
    )
    return [Finding(check=Check.CHANGED_BAR, verdict=Verdict.WARN, count=len(at), where=str(day), detail=detail)]


def _compared(settings: BarsSettings, series: Series, symbol: str, scratch: Path | None) -> list[Finding]:
    """Findings of a comparison with the second source."""
    if settings.second_source is None:
        return []
    other = open_folder(
        settings.second_source,
        settings.interval,
        settings.timezone,
        settings.second_options,
        scratch and scratch / SECOND,
    )
    if symbol not in other.symbols():
        detail = f"has no bars of {symbol} to compare with; add them or leave --second-source out"
        return [
            Finding(
                check=Check.SECOND_SOURCE, verdict=Verdict.WARN, count=0, where=settings.second_source, detail=detail
            )
        ]
    read = clean(other.read(symbol), other.timezone)
    theirs, _ = corporate_actions.adjusted(read.series, _actions(settings).get(symbol, ()))
    unread = [
        finding.model_copy(update={"check": Check.SECOND_SOURCE, "verdict": Verdict.WARN})
        for finding in read.findings
        if finding.verdict is Verdict.REJECT
    ]
    return unread + second_source(series, theirs, settings.second_source)


def _rejected(settings: BarsSettings, symbol: str, findings: Sequence[Finding]) -> Assessed:
    first = next(finding for finding in findings if finding.verdict is Verdict.REJECT)
    rejection = Rejection(
        symbol=symbol,
        interval=settings.interval,
        source=settings.source,
        fetched=datetime.now(UTC),
        reason=REASONS.get(first.check, SkipReason.REJECTED_DATA),
        findings=tuple(findings),
    )
    return Assessed(Ingested(rejected=rejection), b"")


def _coverage(
    settings: BarsSettings, symbol: str, series: Series, content: bytes, known: quality.Assessment,
    findings: Sequence[Finding], *, timezone: str, adjusted: bool,
) -> Coverage:  # fmt: skip
    days, bars = np.unique(series.session, return_counts=True)
    weekdays, special = store.usual_days(series.session)
    return Coverage(
        symbol=symbol,
        interval=settings.interval,
        bars=len(series),
        sessions=len(days),
        sessions_expected=known.sessions_expected,
        gaps=tuple(known.gaps),
        most_bars_a_session=int(bars.max()),
        weekdays=weekdays,
        special_sessions=special,
        first=day_of(days[0]),
        last=day_of(days[-1]),
        source=settings.source,
        adjusted=adjusted,
        sha256=sha256(content).hexdigest(),
        fetched=datetime.now(UTC),
        verdict=worst(findings),
        findings=tuple(findings),
        rises=rises_of(series, settings.interval),
        timezone=timezone,
        calendar=settings.calendar,
    )
