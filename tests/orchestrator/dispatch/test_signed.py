"""A fleet with a key: what was not signed with it, or was kept and stored again, does not count, and ends no run."""

# mypy: disallow-untyped-calls=False

import json
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.messaging import Consumer
from kombu.pidbox import Mailbox
from redis import Redis

from orchestrator.dispatch.broker_fleet import BrokerFleet
from orchestrator.dispatch.celery_client import CeleryClient
from orchestrator.dispatch.heartbeat_events import EMPTY_FLEET_S, HeartbeatEvents
from orchestrator.dispatch.needs import Needs
from orchestrator.dispatch.presence_reader import PresenceReader
from orchestrator.dispatch.work import Item, Sent
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.run_name import Holder, RunName, holder_of
from schemas.contract.errors import RequestError
from schemas.contract.event import TrainingEvent
from schemas.contract.presence import Presence
from schemas.contract.task import Outcome, Role, RunTask, Status
from schemas.files.layout import RunLayout
from schemas.redis.attempts import allow, claim, report
from schemas.redis.client import address_of
from schemas.redis.dead_letters import Place, read_dead_letters
from schemas.redis.keys import PRESENCES, attempts_key, cancel_key, outcomes_stream, run_id_owner_key, work_field
from schemas.redis.presences import beat, read_presences
from schemas.redis.signing import KEY_ENV, NO_KEY, WRONG, FleetKey, Kind
from tests.schemas.redis.test_presences import presence

KEY, OTHER = (FleetKey.parse(letter * 32, "a test") for letter in "ab")
TRANSPORT = "workers.celery.transport:Transport"
TASK = RunTask(run_id="r", attempt=1, role=Role.AUDIT)


@pytest.fixture(autouse=True)
def keyed(monkeypatch: pytest.MonkeyPatch, redis: Redis) -> None:
    """This process has the fleet's key, as each worker has, and the broker holds nothing."""
    monkeypatch.setenv(KEY_ENV, KEY.environment()[KEY_ENV])
    redis.flushall()


@pytest.fixture
def worker(server: str) -> Iterator[Connection]:
    """A connection as a worker makes it."""
    settings = address_of(server).celery_settings()
    with Connection(
        settings["broker_url"],
        transport="workers.celery.transport:Transport",
        transport_options={"ack_emulation": False},
    ) as opened:
        yield opened


def reasons(redis: Redis, place: Place) -> list[str]:
    """Why something was set aside at a place, newest first."""
    return [letter.reason for letter in read_dead_letters(redis, 20)[1] if letter.place is place]


def drain(connection: Connection) -> None:
    with suppress(TimeoutError):
        connection.drain_events(timeout=0.1)


def test_a_worker_takes_only_tasks_that_were_signed_for_its_queue(
    redis: Redis, server: str, worker: Connection
) -> None:
    """Not one without a signature or of another key, and not one that was copied from another device's queue."""
    for key, device in ((KEY, "d0"), (NO_KEY, "d0"), (OTHER, "d0"), (KEY, "d1")):
        with closing(CeleryClient(server, key)) as client:
            client.send([(TASK, device)])
    redis.rpoplpush("d1", "d0")
    arrived: list[str] = []
    with Consumer(worker, [Queue("d0")], on_message=lambda each: arrived.append(each.headers["id"])) as taken:
        taken.qos(prefetch_count=8)
        drain(worker)
    assert arrived == ["r/audit/r/1"]
    copied, other, unsigned = reasons(redis, Place.QUEUE)
    assert "was copied" in copied and "another key" in other and "not signed" in unsigned


def test_an_order_that_changes_a_worker_must_be_signed(redis: Redis, server: str, worker: Connection) -> None:
    """An unsigned one is set aside; a question, such as Flower's, needs no signature."""
    seen: list[str] = []
    mailbox = Mailbox("celery", type="fanout", accept=["json"], serializer="json")
    handlers = {name: lambda state, name=name, **_: seen.append(name) for name in ("revoke", "hello", "ping")}
    node = mailbox.Node("d0", handlers=handlers, channel=worker.channel())
    with (
        closing(CeleryClient(server, KEY)) as client,
        worker.clone() as unsigned,
        node.listen(callback=node.handle_message),
    ):
        drain(worker)
        mailbox(unsigned)._broadcast("revoke", {"task_id": "x"}, destination=["d0"], reply=False)
        mailbox(unsigned)._broadcast("hello", {"from_node": "x", "revoked": ["x"]}, destination=["d0"], reply=False)
        mailbox(unsigned)._broadcast("ping", {}, destination=["d0"], reply=False)
        client.kill("r/audit/r/1", "d0")
        for _ in range(50):
            drain(worker)
            if "revoke" in seen:
                break
    assert seen == ["ping", "revoke"]
    found = reasons(redis, Place.ORDERS)
    assert len(found) == 2 and all("not signed" in reason for reason in found)


def outcome(**changes: Any) -> Outcome:
    parts = {"run_id": "r", "role": Role.AUDIT, "name": "r", "attempt": 1, "device": "d0", "status": Status.SUCCESS}
    return Outcome.model_validate(parts | {"began": "now"} | changes)


def test_an_outcome_counts_if_a_worker_of_the_fleet_signed_it_for_this_run(redis: Redis, server: str) -> None:
    """Not one without a signature, of another run, or of an earlier run of that name."""
    report(redis, "r", outcome(began="then").model_dump_json())
    report(redis, "s", outcome().model_dump_json())
    copies: Any = redis.xrange(outcomes_stream("s"))
    for body in (copies[0][1][b"outcome"], outcome().model_dump_json()):
        redis.xadd(outcomes_stream("r"), {"outcome": body})
    report(redis, "r", outcome(attempt=2).model_dump_json())
    with closing(CeleryClient(server, KEY)) as client:
        fleet = BrokerFleet("r", redis, client, key=KEY, began="now", block_ms=1)
        assert [each.attempt for each in fleet.outcomes(wait=False)] == [2]
    unsigned, copied_why, earlier = reasons(redis, Place.OUTCOMES)
    assert "not signed" in unsigned and "was copied" in copied_why and "earlier run" in earlier


def test_a_claim_that_no_worker_signed_counts_as_none(redis: Redis, server: str) -> None:
    """It keeps no outcome from counting and costs its attempt no strike: the attempt is recalled as one never begun."""
    identity, place, field = "r/audit/r/1", attempts_key("r"), work_field("audit", "r")
    for run_id in "rs":
        allow(redis, run_id, "audit", "r", 1)
        assert claim(redis, run_id, "audit", "r", 1, "d0 1")
    copied: Any = redis.hget(attempts_key("s"), field)
    with closing(CeleryClient(server, KEY)) as client:
        fleet = BrokerFleet("r", redis, client, key=KEY, began="now", block_ms=1)
        attempt = Sent(Item(TASK), "d0", 1, identity)
        assert fleet.claimants([identity]) == {identity: "d0"} and not fleet.recall(attempt)
        for forged in (b"1 d1 1", copied, b"1 " + OTHER.sign(Kind.CLAIM, identity, b"d1 1")):
            redis.hset(place, field, forged)
            assert fleet.claimants([identity]) == {}
            report(redis, "r", outcome().model_dump_json())
            assert [each.device for each in fleet.outcomes(wait=False)] == ["d0"]
            assert fleet.recall(attempt) and not redis.hexists(place, field)


def sent(device: str, at_s: float) -> Presence:
    """A heartbeat that was sent then, by the broker's clock."""
    return presence(device).model_copy(update={"sent_s": at_s})


def test_a_heartbeat_counts_if_it_is_signed_and_new(redis: Redis) -> None:
    """One that is forged, copied or kept announces no device; the run and `fleet` name the reason."""
    now = time.time()
    beat(redis, sent("d0", now), 60.0)
    beat(redis, sent("d1", now - 60.0), 60.0)
    beat(redis, sent("d2", now), 60.0)
    redis.hset(PRESENCES, "d2", sent("d2", now).model_dump_json())
    beat(redis, sent("d3", now), 60.0)
    redis.hset(PRESENCES, "d3", redis.hget(PRESENCES, "d0") or "")
    reader = PresenceReader(redis, iter(range(9)).__next__, key=KEY)
    look = reader.look()
    assert look is not None and list(look.present) == ["d0"]
    assert (
        "ago" in look.unreadable["d1"] and "not signed" in look.unreadable["d2"] and "copied" in look.unreadable["d3"]
    )
    reader.look()
    assert len(reasons(redis, Place.PRESENCE)) == 3, "each is set aside once"
    assert list(read_presences(redis, key=NO_KEY)) == ["d0", "d1", "d2"], "who only looks needs no key"


@pytest.mark.parametrize(
    ("unreadable", "reason"),
    [
        ({"d0": WRONG}, f"no worker is online whose heartbeat can be read; that of d0 cannot be: {WRONG}"),
        ({}, "no worker is online"),
    ],
)
def test_a_run_that_waits_names_the_reason(unreadable: dict[str, str], reason: str) -> None:
    """The only worker has another key, or there is none: in what the run waits for, and in the event that it emits."""
    emitted: list[TrainingEvent] = []
    now = [1.0]
    events = HeartbeatEvents(Emitter(cast(Redis, None), "r", None, emitted.append), "r", lambda: now[0])
    assert events.missing_workers({}, unreadable) == reason
    for now[0] in (1.0, 2.0 + EMPTY_FLEET_S):
        events.see({}, Needs.of("/data"), unreadable)
    assert [each.message for each in emitted] == [f"{reason}; waiting for one to start"]


@pytest.mark.parametrize(("own", "theirs", "is_met"), [("a", "a", True), ("", "a", False), ("b", "ab", True)])
def test_a_device_that_does_not_accept_the_run_s_key_is_named(own: str, theirs: str, is_met: bool) -> None:
    """It gets no work, and the line names the variable to set."""
    accepted = tuple(FleetKey.parse(letter * 32, "a test").names[0] for letter in theirs)
    key = FleetKey.parse(own * 32, "a test") if own else NO_KEY
    needs = Needs.of("/data", key=key)
    why = needs.unmet(presence("d0").model_copy(update={"keys": accepted, "versions": needs.versions}))
    assert ("GURUKUL_KEY_FILE" not in why) is is_met


def test_only_a_new_and_signed_wish_cancels_a_run(redis: Redis, tmp_path: Path) -> None:
    """A forged one is set aside and removed, and so is one that was kept."""
    name = RunName(redis, RunLayout.under(tmp_path, "r"), datetime.now(UTC))
    name.hold()
    (now_s, _), place = redis.time(), cancel_key("r")
    for body in (
        b"asked",
        KEY.sign(Kind.CANCEL, "r", b"asked 1700000000"),
        KEY.sign(Kind.CANCEL, "s", b"asked %d" % now_s),
    ):
        redis.set(place, body)
        assert not name.hold() and not redis.exists(place)
    redis.set(place, KEY.sign(Kind.CANCEL, "r", b"asked %d" % now_s))
    assert name.hold()
    for why, words in zip(reasons(redis, Place.ORDERS), ("was copied", "long ago", "not signed"), strict=True):
        assert words in why


def test_a_run_loses_its_name_only_to_a_run_of_the_fleet(redis: Redis, tmp_path: Path) -> None:
    """A forged holder of its name, one of another name, or one that was kept, is set aside; a new one ends the run."""
    first, second = (RunName(redis, RunLayout.under(tmp_path / each, "r"), datetime.now(UTC)) for each in "ab")
    other = RunName(redis, RunLayout.under(tmp_path, "s"), datetime.now(UTC))
    first.hold()
    other.hold()
    before = Holder(host="h", machine="m", folder="/earlier/models/r", created=datetime.now(UTC))
    earlier = before.model_copy(update={"renewed": redis.time()[0] - 61})
    kept = KEY.sign(Kind.NAME, "r", earlier.model_dump_json().encode())
    for forged in (b"junk", redis.get(run_id_owner_key("s")) or b"", kept):
        redis.set(run_id_owner_key("r"), forged)
        assert holder_of(redis, "r") == (earlier if forged == kept else None) and not first.hold()
        assert str(holder_of(redis, "r")).split(" ")[0].endswith("/a/models/r")
    own = holder_of(redis, "r")
    assert own is not None
    before_the_clock_was_set = own.model_copy(update={"renewed": own.renewed + 3600}).model_dump_json().encode()
    redis.set(run_id_owner_key("r"), KEY.sign(Kind.NAME, "r", before_the_clock_was_set))
    assert not first.hold()
    assert len(found := reasons(redis, Place.KEY)) == 3 and "renewed long ago" in found[0]
    with pytest.raises(RequestError, match="is in use"):
        second.hold()


def test_a_queue_is_read_without_what_is_forged(redis: Redis, server: str) -> None:
    """A message that the worker will set aside does not count as waiting."""
    redis.lpush("d0", json.dumps({"headers": {"id": "r/audit/r/9"}}))
    with closing(CeleryClient(server, KEY)) as client:
        client.send([(TASK, "d0")])
        assert BrokerFleet("r", redis, client, key=KEY).queued(["d0"])["d0"] == {"r/audit/r/1"}
