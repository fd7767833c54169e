"""Time limits of windows."""

from orchestrator.dispatch.time_limits import TimeLimits
from schemas.contract.task import Role


def test_only_windows_have_a_limit() -> None:
    """Ingestion and work on the whole run have no limit, even if a limit is set."""
    assert TimeLimits(5.0).by_role() == {Role.TEACHER: 5.0, Role.STUDENT: 5.0}


def test_a_fixed_limit_is_the_limit() -> None:
    """A limit that is set does not change, however long windows take."""
    limits = TimeLimits(5.0)
    for _ in range(5):
        limits.add(Role.TEACHER, 100.0)
    assert limits.by_role()[Role.TEACHER] == 5.0


def test_a_store_may_be_away_meanwhile() -> None:
    """An attempt may wait for as long as a request to the store is repeated, whichever limit it has."""
    assert TimeLimits(5.0, with_store=True).by_role()[Role.TEACHER] == 125.0
    limits = TimeLimits(None, with_store=True)
    for _ in range(3):
        limits.add(Role.TEACHER, 1.0)
    assert limits.by_role() == {Role.TEACHER: 180.0, Role.STUDENT: 3720.0}


def test_the_first_windows_have_an_hour() -> None:
    """Until three durations of a role are known its limit is an hour; the other role's do not count."""
    limits = TimeLimits(None)
    for _ in range(2):
        limits.add(Role.TEACHER, 1.0)
        limits.add(Role.STUDENT, 1.0)
    limits.add(Role.STUDENT, 1.0)
    assert limits.by_role() == {Role.TEACHER: 3600.0, Role.STUDENT: 60.0}


def test_the_limit_is_ten_times_the_median_and_a_minute_at_least() -> None:
    """Ten times the median of the role's durations, which one long window hardly moves, but a minute at least."""
    limits = TimeLimits(None)
    for seconds in (20.0, 1000.0, 10.0):
        limits.add(Role.TEACHER, seconds)
    assert limits.by_role()[Role.TEACHER] == 200.0
    for _ in range(4):
        limits.add(Role.TEACHER, 0.1)
    assert limits.by_role()[Role.TEACHER] == 60.0
