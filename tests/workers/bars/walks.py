"""Generated bars on a real exchange calendar, and the function by which tests check them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from schemas.config.interval import Interval
from schemas.contract.quality import Check, Finding
from tests.strategies import walk_on
from workers.bars import quality
from workers.bars.calendar import Calendar, day_number, open_calendar
from workers.bars.corporate_actions import Action
from workers.bars.raw_bars import CleanBars
from workers.bars.series import Floats, Series

PRICES = ("open", "high", "low", "close")
MICROSECONDS_PER_MINUTE = 60 * 10**6


def daily(first: date, last: date, seed: int = 0, name: str = "NSE") -> Series:
    """A random walk with one bar for every session from `first` to `last`."""
    return calm(walk_on(open_calendar(name).sessions(first, last), seed), 0.5)


def minutely(first: date, last: date, seed: int = 0, minutes: int = 1, name: str = "NSE") -> Series:
    """A random walk with every bar of every session of known hours from `first` to `last`."""
    hours = open_calendar(name).regular
    chosen = (hours.session >= day_number(first)) & (hours.session <= day_number(last))
    step = minutes * MICROSECONDS_PER_MINUTE
    stamps = [np.arange(begin, end, step) for begin, end in zip(hours.open[chosen], hours.close[chosen], strict=True)]
    session = np.repeat(hours.session[chosen], [len(each) for each in stamps])
    return replace(calm(walk_on(session, seed), 0.05), timestamp=np.concatenate(stamps))


def calm(series: Series, power: float) -> Series:
    """The walk with every return times `power`, so that no overnight move is large."""
    return replace(series, **{name: 100 * (getattr(series, name) / 100) ** power for name in PRICES})


def scaled(series: Series, factor: Floats) -> Series:
    """Prices times `factor`."""
    return replace(series, **{name: getattr(series, name) * factor for name in PRICES})


def keep(series: Series, rows: Any) -> Series:
    """The bars that `rows` selects."""
    return Series(**{name: values[rows] for name, values in vars(series).items()})


def assess(
    series: Series,
    interval: Interval = "1day",
    calendar: Calendar | None = None,
    actions: Sequence[Action] = (),
    symbol: str = "M&M",
) -> quality.Assessment:
    """The assessment of `series`, whose row N is on line N + 2 of one file."""
    clean = CleanBars(series, lambda row: f"bars.csv line {row + 2}", [])
    return quality.check(clean, symbol=symbol, interval=interval, calendar=calendar, actions=actions)


def only(findings: Sequence[Finding], check: Check) -> Finding:
    """The only finding, which must be of `check`."""
    assert [finding.check for finding in findings] == [check]
    return findings[0]
