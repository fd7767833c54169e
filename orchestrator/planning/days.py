"""Trading days: the maximum number of bars in a span, and the days to request from a vendor."""

from datetime import date, datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

from schemas.config.interval import whole_bars_per_session
from schemas.config.run import RunConfig
from schemas.config.sources import split_source
from schemas.contract.coverage import Coverage
from schemas.contract.window import WARMUP_BARS

DAYS_PER_SESSION, HOLIDAYS = 7 / 5, 15


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


def days_to_fetch(config: RunConfig, today: date) -> tuple[date | None, date | None]:
    """First and last day to request from a vendor: warm-up, windows and scored blocks, up to yesterday.

    A source that needs no dates is read whole: (None, None).
    """
    if not split_source(config.source)[0].needs_dates:
        return None, None
    sessions = ceil(WARMUP_BARS / whole_bars_per_session(config.interval))
    first = config.start_date - timedelta(days=ceil(sessions * DAYS_PER_SESSION) + HOLIDAYS)
    last = config.end_date + timedelta(days=config.step_days + HOLIDAYS)
    return first, min(last, today - timedelta(days=1))


def days_asked_for(config: RunConfig) -> tuple[date | None, date | None]:
    """First and last day to fetch bars for, as of today at the exchange."""
    return days_to_fetch(config, datetime.now(ZoneInfo(config.timezone)).date())
