"""Instants that others send are shown in any time zone."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.contract.instant import Instant

INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
FARTHEST = timedelta(hours=23, minutes=59)


@pytest.mark.parametrize("given", ["0001-01-03T00:00:00Z", "2026-11-30T10:00:00+05:30", "9999-12-29T23:59:59.999999Z"])
def test_an_instant_can_be_shown_in_every_zone(given: str) -> None:
    found = INSTANT.validate_python(given)
    for zone in (timezone(FARTHEST), UTC, timezone(-FARTHEST)):
        assert found.astimezone(zone) == found


@pytest.mark.parametrize(
    "given", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T00:00:00Z", "2026-11-30T10:00:00"]
)
def test_others_are_refused(given: str) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(given)
