"""A stopped run cleans up the broker, a resumed run finds attempts that are out, and a run waits for its broker."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import Redis

from orchestrator.dispatch.loop import Dispatcher
from orchestrator.dispatch.played_fleet import Habit, idles, in_turn, keeps, loses_held, works
from orchestrator.dispatch.work import Item
from orchestrator.ledger.ledger import Ledger
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.contract.task import FailureClass, Role, Status, work_name
from schemas.redis.attempts import claim
from schemas.redis.events import emit
from schemas.redis.keys import RUN_KEYS_LINGER_S, attempts_key, events_stream, outcomes_stream, sequence_key
from tests.doubles.playing import RUN, Breakable, Ends, Played, Worker, forget, playing, teachers
from tests.schemas.redis.test_tls import behind_tls, write_certificate

REFUSES = "refuses a command to its user"


class Stopped(Exception):
    """The orchestrator stops here."""


def stop_after(looks: int, played: Played, run: Dispatcher, work: Iterable[Item]) -> None:
    """Run until the look of that number, as if the process were killed there."""

    def stop() -> None:
        raise Stopped

    played.at(looks, stop)
    with pytest.raises(Stopped):
        run.run(work, Ends())


def states(ledger: Ledger) -> list[str]:
    return [record.state for record in ledger.records(Role.TEACHER)]


def test_a_resumed_run_takes_over_what_is_out(ledger: Ledger, played: Played) -> None:
    """An attempt that runs or waits at a device when the orchestrator is killed ends there, and is not sent again."""
    played.add("d0", habit=in_turn((keeps, 30), (works, 1)))
    work, ends = teachers(ledger, 2), Ends()
    stop_after(4, played, played.dispatcher(ledger), work)
    resumed = played.dispatcher(ledger)
    resumed.take_missed_outcomes()
    resumed.run(work, ends)
    assert [(end.status, end.attempt) for end in ends.received] == [(Status.SUCCESS, 1)] * 2
    assert len(played.sent) == 2


def test_a_resumed_run_sends_again_what_no_worker_has(ledger: Ledger, played: Played) -> None:
    """An attempt that was sent before a kill and is on no device is sent again: no worker had begun it."""
    worker = played.add("d0", habit=loses_held)
    work, ends = teachers(ledger, 2), Ends()
    stop_after(4, played, played.dispatcher(ledger), work)
    worker.habit = works
    played.dispatcher(ledger).run(work, ends)
    assert [(end.status, end.attempt) for end in ends.received] == [(Status.SUCCESS, 2)] * 2


def test_a_run_whose_last_worker_has_gone_waits_for_another(ledger: Ledger, played: Played) -> None:
    """While no device is there nothing is planned, whatever waits; a device that comes later does it all."""
    gone = played.add("d9", slots=2, habit=keeps)

    def leave() -> None:
        del played.workers["d9"]
        gone.silent = True
        gone.beat()

    played.at(4, leave)
    played.at(20, lambda: played.add("d0"))
    work, ends = teachers(ledger, 5), Ends()
    played.dispatcher(ledger).run(work, ends)
    assert {(end.status, end.device) for end in ends.received} == {(Status.SUCCESS, "d0")}
    assert len(ends.received) == 5


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_resumed_run_does_not_wait_for_devices_that_are_gone(ledger: Ledger, played: Played, forgotten: bool) -> None:
    """Work of devices that no longer exist goes to present ones, on the same broker or a new one."""
    gone = played.add("d9", slots=2, habit=keeps)
    work, ends = teachers(ledger, 3), Ends()
    stop_after(4, played, played.dispatcher(ledger), work)
    gone.silent = True
    del played.workers["d9"]
    gone.beat()
    if forgotten:
        forget(played.redis)
    played.add("d0")
    played.dispatcher(ledger).run(work, ends)
    assert [(end.status, end.device) for end in ends.received] == [(Status.SUCCESS, "d0")] * 3


def test_outcomes_from_before_a_resume_count(ledger: Ledger, played: Played) -> None:
    """Outcomes that arrived while no orchestrator ran count; work that failed with a retryable class is pending."""
    worker = played.add("d0", slots=2, habit=keeps)
    work, ends = teachers(ledger, 2), Ends()
    stop_after(4, played, played.dispatcher(ledger), work)
    first, second = worker.running.values()
    worker.answer(first)
    worker.answer(second, status=Status.FAILED, failure=FailureClass.TRANSIENT)
    worker.running.clear()
    worker.habit = works
    resumed = played.dispatcher(ledger)
    resumed.take_missed_outcomes()
    assert states(ledger) == ["done", "pending"]
    resumed.run(work[1:], ends)
    assert [(end.status, end.attempt) for end in ends.received] == [(Status.SUCCESS, 2)]
    assert ledger.counts(Role.TEACHER) == {"success": 2}


def test_an_interrupted_run_takes_back_what_has_not_begun(ledger: Ledger, played: Played) -> None:
    """A running attempt may report later; a waiting one is withdrawn and cannot begin; other runs' work stays."""
    worker = played.add("d0", slots=2, habit=keeps)
    work, run, ends = teachers(ledger, 4), played.dispatcher(ledger), Ends()
    stop_after(4, played, run, work)
    (held,) = worker.held.values()
    (foreign,) = teachers(ledger, 1, symbol="Z", run_id=f"{RUN}2")
    played.send([(foreign.task(), "d0"), (work[3].task(), "d0")])
    run.stop_attempts(kill=False)
    assert played.killed == []
    assert [identity.split("/")[0] for identity in played.queued("d0")] == [f"{RUN}2"]
    assert states(ledger)[:4] == ["sent", "sent", "pending", "pending"]
    assert not claim(played.redis, RUN, held.role, work_name(held), held.attempt, "d0")
    worker.end()
    worker.habit = works
    played.dispatcher(ledger).take_missed_outcomes()
    assert states(ledger)[:4] == ["done", "done", "pending", "pending"]
    played.dispatcher(ledger).run(work[2:], ends)
    assert {end.status for end in ends.received} == {Status.SUCCESS}


def test_a_cancelled_run_ends_what_runs(ledger: Ledger, played: Played) -> None:
    """Running attempts are killed, waiting ones are withdrawn, and all work is pending."""
    worker = played.add("d0", slots=2, habit=keeps)
    work, run = teachers(ledger, 4), played.dispatcher(ledger)
    stop_after(4, played, run, work)
    running = set(worker.running)
    run.stop_attempts(kill=True)
    assert {identity for identity, _ in played.killed} == running
    assert len(running) == 2
    assert played.queued("d0") == []
    assert states(ledger) == ["pending"] * 4


@pytest.mark.parametrize("habit", [keeps, idles])
def test_an_ended_run_leaves_its_events_for_a_minute(ledger: Ledger, played: Played, habit: Habit[Worker]) -> None:
    """Outcomes, attempts and messages are removed at once, events after a minute; keys of another run stay."""
    worker = played.add("d0", habit=habit)
    redis = played.redis
    for run_id in (RUN, f"{RUN}2"):
        emit(redis, TrainingEvent(run_id=run_id, event_type=EventType.RUN_START, status=EventStatus.IN_PROGRESS))
        redis.xadd(outcomes_stream(run_id), {"outcome": "x"})
        redis.hset(attempts_key(run_id), "teacher/x", "1")
    redis.delete(outcomes_stream(RUN))
    run = played.dispatcher(ledger)
    stop_after(4, played, run, teachers(ledger, 2))
    held = [*worker.running.values(), *worker.held.values()]
    run.clear_broker()
    assert not redis.exists(outcomes_stream(RUN), attempts_key(RUN), "d0")
    for key in (events_stream(RUN), sequence_key(RUN)):
        assert 0 < redis.ttl(key) <= RUN_KEYS_LINGER_S
    assert not any(claim(redis, RUN, task.role, work_name(task), 1, "another") for task in held)
    assert redis.exists(outcomes_stream(f"{RUN}2"), attempts_key(f"{RUN}2")) == 2
    assert redis.ttl(events_stream(f"{RUN}2")) > RUN_KEYS_LINGER_S


def test_a_run_waits_for_a_broker_that_went_away(breakable: Breakable, ledger: Ledger) -> None:
    """While the server is away the run waits, tends its processes, logs it once, and then continues."""
    with playing(breakable.url) as played:
        played.add("d0", slots=2)
        away: list[int] = []

        def watch() -> None:
            if len(played.sent) >= 4 and not away:
                breakable.take_away()
            if away or len(played.sent) >= 4:
                away.append(played.looks)
            if len(away) == 4:
                breakable.bring_back()

        played.watch = watch
        work, ends = teachers(ledger, 8), Ends()
        played.dispatcher(ledger).run(work, ends)
        assert sorted(ends.names) == sorted(item.key[1] for item in work)
        assert {end.status for end in ends.received} == {Status.SUCCESS}
        shown = played.screen.getvalue()
        assert (shown.count("does not answer"), shown.count("answers again")) == (1, 1)


@pytest.mark.parametrize(
    ("broken", "healed", "what", "why"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), "takes no work", "memory is full"),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "takes no work", "read-only replica"),
        (("ACL", "SETUSER", "default", "-mget"), ("ACL", "SETUSER", "default", "+mget"), REFUSES, "'mget'"),
    ],
)
def test_a_run_says_why_it_waits_for_a_broker_that_takes_no_writes(
    ledger: Ledger, played: Played, broken: tuple[str, ...], healed: tuple[str, ...], what: str, why: str
) -> None:
    """The terminal prints it once, the ledger has it for other screens; every piece ends once."""
    played.add("d0", slots=2)
    waits: list[str | None] = []
    server: Any = played.redis

    def watch() -> None:
        if not waits and len(played.sent) >= 4:
            server.execute_command(*broken)
        if waits or len(played.sent) >= 4:
            waits.append(ledger.get("waiting"))
        if len(waits) == 4:
            server.execute_command(*healed)

    played.watch = watch
    work, ends = teachers(ledger, 8), Ends()
    try:
        played.dispatcher(ledger).run(work, ends)
    finally:
        server.execute_command(*healed)
    assert sorted(ends.names) == sorted(item.key[1] for item in work)
    assert {end.status for end in ends.received} == {Status.SUCCESS}
    shown = played.screen.getvalue()
    assert (shown.count(what), shown.count(why), shown.count("takes work again")) == (1, 1, 1)
    assert (why in (waits[3] or ""), ledger.get("waiting")) == (True, "")


@pytest.mark.parametrize(
    ("is_login", "why"), [(True, "refuses the login"), (False, "has a certificate that has expired")]
)
def test_a_run_waits_until_its_login_and_its_broker_s_certificate_are_valid(
    ledger: Ledger, server: str, tmp_path: Path, is_login: bool, why: str
) -> None:
    """A password that is changed and a certificate that expires while it runs: named once, and nothing is lost."""
    password, waits = urlsplit(server).password, list[str | None]()
    known, used = tmp_path / "known.pem", tmp_path / "used.pem"
    good, bad = (write_certificate(tmp_path, "localhost", valid_h=hours).read_bytes() for hours in (1.0, -1.0))
    known.write_bytes(good + bad)
    used.write_bytes(good)

    def be(valid: bool) -> None:
        if is_login:
            admin.execute_command("ACL", "SETUSER", "default", "resetpass", f">{password if valid else 'another'}")
        else:
            used.write_bytes(good if valid else bad)
        if not valid:
            admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def watch() -> None:
        if waits or len(played.sent) >= 4:
            waits.append(ledger.get("waiting"))
        if len(waits) in (1, 5):
            be(valid=len(waits) == 5)

    admin: Any = Redis.from_url(server, single_connection_client=True)
    with admin, behind_tls(server, used) as port:
        try:
            with playing(f"rediss://:{password}@localhost:{port}/0?ssl_ca_certs={known}") as played:
                played.add("d0", slots=2)
                played.watch = watch
                work, ends = teachers(ledger, 8), Ends()
                played.dispatcher(ledger).run(work, ends)
                screen = played.screen.getvalue()
        finally:
            be(valid=True)
    assert sorted(ends.names) == sorted(item.key[1] for item in work)
    assert {end.status for end in ends.received} == {Status.SUCCESS}
    assert (screen.count(why), screen.count(" again after ")) == (1, 1)
    assert (why in (waits[4] or ""), ledger.get("waiting")) == (True, "")


def test_a_run_that_may_not_send_work_says_so_until_it_may(ledger: Ledger, played: Played) -> None:
    """The queue is named once on the terminal, and as the reason at every look; what was refused is sent again."""
    played.add("d0", slots=2)
    waits: list[str | None] = []
    server: Any = played.redis
    server.execute_command("ACL", "SETUSER", "default", "-lpush")

    def watch() -> None:
        waits.append(ledger.get("waiting"))
        if waits[-1]:
            server.execute_command("ACL", "SETUSER", "default", "+lpush")

    played.watch = watch
    work, ends = teachers(ledger, 2), Ends()
    try:
        played.dispatcher(ledger).run(work, ends)
    finally:
        server.execute_command("ACL", "SETUSER", "default", "+lpush")
    assert {end.status for end in ends.received} == {Status.SUCCESS}
    shown = played.screen.getvalue()
    assert (shown.count(REFUSES), shown.count("(LPUSH d0")) == (1, 1)
    assert ([bool(each) for each in waits].index(True) > 0, ledger.get("waiting")) == (True, "")


def test_connections_that_break_are_made_anew(ledger: Ledger, played: Played, server: str) -> None:
    """A run whose connections are closed again and again ends every piece once, and logs nothing about it."""
    played.add("d0", slots=2)
    work, ends = teachers(ledger, 8), Ends()
    with Redis.from_url(server) as other:
        played.watch = lambda: played.looks % 3 == 0 and other.execute_command("CLIENT", "KILL", "TYPE", "normal")
        played.dispatcher(ledger).run(work, ends)
    assert sorted(ends.names) == sorted(item.key[1] for item in work)
    assert {end.status for end in ends.received} == {Status.SUCCESS}
    assert "does not answer" not in played.screen.getvalue()


def test_a_run_can_leave_a_broker_that_is_gone(breakable: Breakable, ledger: Ledger) -> None:
    """Stopping does not need the server: attempts that are out stay in the ledger for a resume."""
    with playing(breakable.url) as played:
        played.add("d0", habit=keeps)
        run = played.dispatcher(ledger)
        stop_after(4, played, run, teachers(ledger, 2))
        breakable.take_away()
        run.stop_attempts(kill=True)
        run.clear_broker()
        assert states(ledger) == ["sent", "sent"]
        breakable.bring_back()
