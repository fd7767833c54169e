"""Convert stored instants to datetimes."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(microseconds: int) -> datetime:
    """Microseconds since 1970 as an instant in UTC, exactly."""
    return EPOCH + timedelta(microseconds=int(microseconds))
