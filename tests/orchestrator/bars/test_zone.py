"""The time zone and the calendar of a run's bars are those of their ingestion."""

from datetime import date
from typing import Any

import pytest

from orchestrator.bars.zone import calendar_of, refuse_other_zone, zone_of
from schemas.config.run import RunConfig
from schemas.contract.coverage import CoverageTable
from schemas.contract.errors import RequestError
from tests.known import coverage_of, table_of

DAY = date(2022, 1, 3)
DATES: dict[str, Any] = {"start_date": "2022-01-01", "end_date": "2022-12-31"}


def stored(*zones: str, source: str = "csv:/bars", calendar: str = "XNYS") -> CoverageTable:
    """Stored bars, one symbol per zone."""
    facts: dict[str, Any] = {"calendar": calendar, "source": source}
    return table_of(*(coverage_of(f"S{at}", [DAY], timezone=zone, **facts) for at, zone in enumerate(zones)))


@pytest.mark.parametrize(
    ("given", "known", "zone"),
    [
        ({}, None, "UTC"),
        ({"source": "csv:bars"}, None, "Asia/Kolkata"),
        ({"source": "csv:bars", "timezone": "UTC"}, None, "UTC"),
        ({}, stored("America/New_York"), "America/New_York"),
        ({}, stored("America/New_York", "Europe/Paris"), "Asia/Kolkata"),
        ({}, stored(""), "Asia/Kolkata"),
        ({}, stored("", source="sample"), "UTC"),
        ({}, stored("", source="of a later version"), "Asia/Kolkata"),
        ({}, CoverageTable(), "UTC"),
    ],
)
def test_stored_bars_decide_the_zone_and_before_them_the_source(
    given: dict[str, Any], known: CoverageTable | None, zone: str
) -> None:
    """The sample's days are those of UTC; a run on stored bars names no source, and is not of the sample for that."""
    assert zone_of(RunConfig(**DATES, **given), known) == zone


def test_a_calendar_that_was_given_comes_first() -> None:
    """Then that of the stored bars, then the one of source and zone."""
    assert calendar_of(RunConfig(**DATES, calendar="XBOM"), stored("UTC")) == "XBOM"
    assert calendar_of(RunConfig(**DATES, source="csv:bars"), stored("UTC", "UTC")) == "XNYS"
    assert calendar_of(RunConfig(**DATES, source="csv:bars"), stored("UTC", calendar="")) == "NSE"
    assert calendar_of(RunConfig(**DATES, source="csv:bars"), None) == "NSE"


def test_another_zone_than_that_of_the_stored_bars_is_refused() -> None:
    """If it was given; that of bars of an earlier version is not known."""
    given = RunConfig(**DATES, timezone="Asia/Kolkata")
    with pytest.raises(RequestError, match=r"--timezone Asia/Kolkata: the stored bars of S0 have their days in UTC; l"):
        refuse_other_zone(given, stored("UTC"))
    for config, known in ((RunConfig(**DATES), stored("UTC")), (given, stored("", "Asia/Kolkata"))):
        refuse_other_zone(config, known)
