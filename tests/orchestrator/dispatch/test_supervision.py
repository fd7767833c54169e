"""Judgements over heartbeats: only what was observed counts, and each attempt has one state at a time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.dispatch.backlog import Item
from orchestrator.dispatch.supervision import UNHELD_S, UNTAKEN_S, Limits, Sent, Verdict, judge
from schemas.contract.device import Device, DeviceKind
from schemas.contract.presence import Presence
from schemas.contract.task import Role, RunTask
from tests.strategies import examples

ID = "r/audit/r/1"
DEVICE = Device(name="d0", kind=DeviceKind.CPU, slots=1)
HERE = Presence(device=DEVICE, host="h", pid=1, since=datetime.now(UTC))
RUNNING = HERE.model_copy(update={"held": (ID,), "running": (ID,)})
HOLDING = HERE.model_copy(update={"held": (ID,)})


def sent() -> Sent:
    """An attempt that has just been sent to d0."""
    work = RunTask(run_id="r", data_dir="d", role=Role.AUDIT, release_dir="release")
    return Sent(Item(work), "d0", 1, ID)


def look(
    attempt: Sent,
    presence: Presence | None,
    *,
    queued: bool = False,
    seconds: float = 0.5,
    limit_s: float | None = None,
) -> Verdict:
    """One look at the fleet."""
    return judge(attempt, presence, lambda device: {ID} if queued and device == "d0" else set(), seconds, limit_s)


def test_an_attempt_whose_device_is_gone_is_lost() -> None:
    """Without its device an attempt is lost at once, whatever was known of it, even though its message is there."""
    attempt = sent()
    assert look(attempt, RUNNING) is Verdict.FINE
    assert look(attempt, None, queued=True) is Verdict.LOST


def test_what_nobody_holds_is_lost_after_three_observed_seconds() -> None:
    """Neither queued nor held nor running, it is lost once that was seen for longer than UNHELD_S in all."""
    attempt = sent()
    looks = [look(attempt, HERE) for _ in range(int(UNHELD_S / 0.5) + 1)]
    assert looks == [Verdict.FINE] * (len(looks) - 1) + [Verdict.LOST]


@pytest.mark.parametrize(("presence", "queued"), [(HERE, True), (HOLDING, False), (RUNNING, False)])
def test_being_seen_once_starts_the_count_anew(presence: Presence, queued: bool) -> None:
    """An attempt seen queued, held or running once has been missed for no time at all."""
    attempt = sent()
    assert look(attempt, HERE, seconds=UNHELD_S) is Verdict.FINE
    assert look(attempt, presence, queued=queued) is Verdict.FINE
    assert look(attempt, HERE, seconds=UNHELD_S) is Verdict.FINE
    assert look(attempt, HERE) is Verdict.LOST


@pytest.mark.parametrize("held", [(), (ID,)])
def test_waiting_behind_other_work_costs_nothing(held: tuple[str, ...]) -> None:
    """However long it waits, queued or held, at a device that runs something, it is fine, and no limit applies."""
    attempt = sent()
    busy = HERE.model_copy(update={"held": ("other", *held), "running": ("other",)})
    for _ in range(10):
        assert look(attempt, busy, queued=not held, seconds=3600, limit_s=1) is Verdict.FINE
    assert (attempt.waited_s, attempt.ran_s) == (36000, 0)


@pytest.mark.parametrize("queued", [True, False])
def test_a_device_that_begins_nothing_is_left(queued: bool) -> None:
    """Where an attempt waits and nothing runs (its pool does not come up), it is taken elsewhere after UNTAKEN_S."""
    attempt = sent()
    looks = [look(attempt, HERE if queued else HOLDING, queued=queued) for _ in range(int(UNTAKEN_S / 0.5) + 1)]
    assert looks == [Verdict.FINE] * (len(looks) - 1) + [Verdict.LEFT_BEHIND]


@pytest.mark.parametrize("queued", [True, False])
def test_what_waits_at_a_draining_device_is_left_behind(queued: bool) -> None:
    """A device that takes no more leaves behind what has not begun there; what runs there, it finishes."""
    leaving = (HERE if queued else HOLDING).model_copy(update={"draining": True})
    assert look(sent(), leaving, queued=queued) is Verdict.LEFT_BEHIND
    assert look(sent(), RUNNING.model_copy(update={"draining": True}), queued=queued) is Verdict.FINE


def test_only_running_counts_against_the_limit() -> None:
    """It is overdue once it was seen running for longer than its limit; seconds of waiting do not count."""
    attempt = sent()
    look(attempt, HERE, queued=True, seconds=100, limit_s=10)
    assert look(attempt, RUNNING, seconds=10, limit_s=10) is Verdict.FINE
    assert attempt.waited_s == 0
    assert look(attempt, RUNNING, limit_s=10) is Verdict.OVERDUE


def test_work_without_a_limit_runs_as_long_as_it_takes() -> None:
    """Without a limit nothing is overdue."""
    assert look(sent(), RUNNING, seconds=1e6, limit_s=None) is Verdict.FINE


@examples(100)
@given(
    looks=st.lists(st.tuples(st.sampled_from(["queued", "held", "running", "missed"]), st.floats(0, 2)), max_size=30)
)
def test_seconds_are_observed_seconds(looks: list[tuple[str, float]]) -> None:
    """The time it ran is the sum over looks that saw it run; it is lost only after UNHELD_S of looks in a row."""
    attempt, ran_s, missed_s = sent(), 0.0, 0.0
    for state, seconds in looks:
        presence = {"held": HOLDING, "running": RUNNING}.get(state, HERE)
        verdict = look(attempt, presence, queued=state == "queued", seconds=seconds)
        ran_s += seconds if state == "running" else 0
        missed_s = missed_s + seconds if state == "missed" else 0.0
        assert attempt.ran_s == ran_s
        assert (verdict is Verdict.LOST) == (missed_s > UNHELD_S)


def test_only_windows_have_a_limit() -> None:
    """Ingestion and the run's own work take as long as they take, even where a limit was asked for."""
    roles = [Role.INGEST, Role.VALIDATION, Role.STATISTICS, Role.AUDIT]
    assert [Limits(5.0).of(role) for role in roles] == [None] * 4
    assert (Limits(5.0).of(Role.TEACHER), Limits(5.0).of(Role.STUDENT)) == (5.0, 5.0)


def test_a_fixed_limit_is_the_limit() -> None:
    """A limit that was asked for stays, however long windows take."""
    limits = Limits(5.0)
    for _ in range(5):
        limits.add(Role.TEACHER, 100.0)
    assert limits.of(Role.TEACHER) == 5.0


def test_the_first_windows_have_an_hour() -> None:
    """Until three durations of a role are known its limit is an hour; the other role's do not count."""
    limits = Limits(None)
    for _ in range(2):
        limits.add(Role.TEACHER, 1.0)
        limits.add(Role.STUDENT, 1.0)
    limits.add(Role.STUDENT, 1.0)
    assert (limits.of(Role.TEACHER), limits.of(Role.STUDENT)) == (3600.0, 60.0)


def test_the_limit_is_ten_times_the_median_and_a_minute_at_least() -> None:
    """Ten times the median of the role's durations, which one long window hardly moves, but a minute at least."""
    limits = Limits(None)
    for seconds in (20.0, 1000.0, 10.0):
        limits.add(Role.TEACHER, seconds)
    assert limits.of(Role.TEACHER) == 200.0
    for _ in range(4):
        limits.add(Role.TEACHER, 0.1)
    assert limits.of(Role.TEACHER) == 60.0
