"""An instant that every time zone can show."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

# Zones are less than two days apart, and a date has a year from 1 to 9999.
FIRST, END = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


def check_instant(at: datetime) -> datetime:
    """Return `at` unchanged; ValueError unless every time zone has a date for it."""
    if not FIRST <= at < END:
        raise ValueError(f"{at.isoformat()} is no time: years are from 1 to 9999 in every time zone")
    return at


Instant = Annotated[AwareDatetime, AfterValidator(check_instant)]
