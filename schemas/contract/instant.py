"""An instant that every time zone can show."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

# Zones are less than two days apart, and a date has a year from 1 to 9999.
Instant = Annotated[
    AwareDatetime, Field(ge=datetime(1, 1, 3, tzinfo=UTC), lt=datetime(9999, 12, 30, tzinfo=UTC))
]  # fmt: skip
