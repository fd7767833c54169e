"""Names from outside."""

import pytest

from schemas.contract.identifiers import check_timezone


@pytest.mark.parametrize(
    ("name", "zone"),
    [("New_York", "America/New_York"), ("new york", "America/New_York"), ("Asia/Kolkatta", "Asia/Kolkata")],
)
def test_a_wrong_time_zone_is_answered_by_the_one_that_was_meant(name: str, zone: str) -> None:
    """A city without its continent, and a slip of the pen."""
    with pytest.raises(ValueError, match=f"is not a time zone; did you mean {zone}"):
        check_timezone(name)


def test_a_name_like_no_time_zone_is_answered_by_the_form() -> None:
    """The form, as no zone is near."""
    with pytest.raises(ValueError, match="write it as in Asia/Kolkata or UTC"):
        check_timezone("Qqqq")
