"""Trading days: the maximum number of bars in a span, and the days whose bars windows need."""

from datetime import date, datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

from schemas.config.bars import NO_CALENDAR, NSE, IngestConfig
from schemas.config.interval import (
    DAY_MINUTES,
    DAYS_PER_WEEK,
    INTERVAL_MINUTES,
    Interval,
    most_bars_per_session,
    whole_bars_per_session,
)  # fmt: skip
from schemas.config.run import RunConfig
from schemas.config.sources import split_source
from schemas.contract.coverage import Coverage
from schemas.contract.errors import RequestError
from schemas.contract.window import WARMUP_BARS

DAYS_PER_SESSION, HOLIDAYS = 7 / 5, 15
WEEKDAYS = 5
# Sessions at weekends, at most: NSE has had three in a year.
DAYS_PER_SPECIAL_SESSION = 60
ALL_DAYS = (NO_CALENDAR, "24/7")


class TradingDays:
    """Upper bounds on the bars of a span within a symbol's known history, from its coverage."""

    def __init__(self, known: Coverage) -> None:
        self._known = known
        most = self.most_bars(known.first, known.last + timedelta(days=1))
        self.density = known.bars / most

    def most_bars(self, start: date, stop: date) -> int:
        """Return the maximum number of bars in `[start, stop)`."""
        if stop <= start:
            return 0
        weeks, rest = divmod((stop - start).days, 7)
        weekdays = self._known.weekdays
        usual = weeks * len(weekdays) + sum((start.weekday() + i) % 7 in weekdays for i in range(rest))
        special = sum(start <= day < stop for day in self._known.special_sessions)
        return (usual + special) * self._known.most_bars_a_session


def days_to_fetch(config: RunConfig | IngestConfig, today: date) -> tuple[date | None, date | None]:
    """First and last day to read bars of: warm-up, windows, scored blocks and the labels that end after them.

    None is the source's first or newest day. A run reads a source that needs no dates whole; an ingestion cuts it to
    these days. A vendor is asked for no day that is not over yet. With `incremental` the newest bar is the last.
    """
    is_run, needs_dates = isinstance(config, RunConfig), split_source(config.source)[0].needs_dates
    if is_run and not needs_dates:
        return None, None
    if config.start_date is None and needs_dates:
        raise RequestError("--start-date is missing: give the first day of the first window")
    first = config.start_date and config.start_date - _days_of(WARMUP_BARS, config.interval)
    last = config.end_date and config.end_date + timedelta(days=config.step_days) + _days_of(
        config.horizon, config.interval
    )
    if isinstance(config, IngestConfig) and config.incremental:
        last = None
    yesterday = today - timedelta(days=1)
    return first, min(last or yesterday, yesterday) if needs_dates else last


def days_asked_for(config: RunConfig | IngestConfig) -> tuple[date | None, date | None]:
    """First and last day to read bars of, as of today at the exchange."""
    return days_to_fetch(config, datetime.now(ZoneInfo(config.timezone)).date())


def most_sessions(config: RunConfig, days: int) -> int:
    """The most sessions in so many calendar days, by the calendar's kind; of weekly bars, the most weeks."""
    if config.interval == "1week":
        return max(ceil(days / DAYS_PER_WEEK), 0)
    if config.resolved_calendar in ALL_DAYS or days <= 0:
        return max(days, 0)
    weeks, rest = divmod(days, DAYS_PER_WEEK)
    return min(WEEKDAYS * weeks + min(rest, WEEKDAYS) + ceil(days / DAYS_PER_SPECIAL_SESSION), days)


def most_bars(config: RunConfig, days: int) -> int:
    """The most bars in so many calendar days."""
    return most_sessions(config, days) * bars_per_session(config)


def bars_per_session(config: RunConfig) -> int:
    """The most bars of a session, by the calendar."""
    if config.resolved_calendar == NSE:
        return most_bars_per_session(config.interval)
    return max(DAY_MINUTES // INTERVAL_MINUTES[config.interval], 1)


def _days_of(bars: int, interval: Interval) -> timedelta:
    """Calendar days that surely hold so many bars of NSE, holidays included."""
    if interval == "1week":
        return timedelta(days=DAYS_PER_WEEK * bars + HOLIDAYS)
    sessions = ceil(bars / whole_bars_per_session(interval))
    return timedelta(days=ceil(sessions * DAYS_PER_SESSION) + HOLIDAYS)
