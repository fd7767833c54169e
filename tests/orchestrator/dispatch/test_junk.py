"""Junk and messages of later versions on a real server: what the orchestrator, its metrics and `fleet` make of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from redis import Redis

from orchestrator.dispatch.broker_fleet import BrokerFleet, withdraw
from orchestrator.dispatch.celery_client import CeleryClient
from orchestrator.dispatch.policy import usable
from orchestrator.dispatch.presence_reader import PresenceReader
from orchestrator.exporter.metrics import GurukulCollector
from schemas.contract.task import Outcome, Role, Status
from schemas.redis.attempts import report
from schemas.redis.dead_letters import Place, read_dead_letters
from schemas.redis.keys import DEVICES, PRESENCES, attempts_key, outcomes_stream
from schemas.redis.presences import beat, read_presences
from tests.conftest import command
from tests.orchestrator.dispatch.test_broker_fleet import send
from tests.orchestrator.dispatch.views import FOLDERS, VERSIONS, view
from tests.schemas.redis.test_dead_letters import WRONG, plant
from tests.schemas.redis.test_presences import presence

JUNK = (b"", b"{", b"\xff\xfe", b"[1]", b"NaN", b"[" * 50_000, b'{"headers":{"id":7}}', b'{"headers":[]}', b"x" * 10**7)
FAR = 10**15


@pytest.fixture
def fleet(server: str, redis: Redis) -> Iterator[BrokerFleet]:
    sender = CeleryClient(server)
    yield BrokerFleet("r", redis, sender, block_ms=1)
    sender.close()


def announce(redis: Redis, device: str, body: bytes | str) -> None:
    """Store a heartbeat that no worker wrote."""
    redis.zadd(DEVICES, {device: FAR})
    redis.hset(PRESENCES, device, body)


def later(name: str, **fields: object) -> str:
    """The heartbeat of a later version's worker."""
    sent = presence(name).model_dump(mode="json")
    sent["device"] |= {"of_a_later_version": 1}
    return json.dumps(sent | {"versions": {"gurukul": "9.0"}, "of_a_later_version": {}} | fields)


def outcome(name: str) -> str:
    """A good outcome of run r."""
    return Outcome(
        run_id="r", role=Role.INGEST, name=name, attempt=1, device="d0", status=Status.SUCCESS
    ).model_dump_json()


def read(fleet: BrokerFleet) -> list[str]:
    """Names in the outcomes that are there."""
    return [each.name for _ in range(3) for each in fleet.outcomes(wait=False)]


def test_a_later_versions_worker_is_listed_and_gets_no_work(redis: Redis, server: str, tmp_path: Path) -> None:
    """Its unknown fields are passed over, `fleet` shows its version; a run gives it work only if versions agree."""
    announce(redis, "d1", later("d1"))
    beat(redis, presence("d0").model_copy(update={"versions": VERSIONS, "folders": FOLDERS}))
    there = read_presences(redis)
    assert {name: each.versions["gurukul"] for name, each in there.items()} == {"d0": "1", "d1": "9.0"}
    assert list(usable(view(there.values()))) == ["d0"]
    assert "gurukul 9.0, here " in command("fleet", "--broker", server, cwd=tmp_path).stdout


def test_heartbeats_that_cannot_be_read_cost_only_themselves(redis: Redis, server: str, tmp_path: Path) -> None:
    """Each is a dead letter once, is named by `fleet`, and hides no other device; metrics answer."""
    for number, body in enumerate(JUNK):
        announce(redis, f"j{number}", body)
    announce(redis, "npu", later("npu", device={"name": "npu", "kind": "npu", "slots": 1}))
    announce(redis, "of-another", presence("d9").model_dump_json())
    announce(redis, DEVICES, presence(DEVICES).model_dump_json())
    redis.zadd(DEVICES, {b"\xff": FAR})
    redis.hset(PRESENCES, b"\xff", "{")
    beat(redis, presence("d0"))
    reader = PresenceReader(redis, clock=iter(range(100)).__next__)
    for _ in range(3):
        found = reader.look()
        assert found is not None and list(found.present) == ["d0"]
    assert read_dead_letters(redis, 0)[0] == {Place.PRESENCE: len(JUNK) + 4}
    shown = command("fleet", "--broker", server, cwd=tmp_path).stdout
    assert "j0 sends a heartbeat that cannot be read: no JSON object" in shown
    assert f"{len(JUNK) + 4} in heartbeats" in shown
    listed = json.loads(command("fleet", "--json", "--broker", server, cwd=tmp_path).stdout)
    assert len(listed["unreadable"]) == len(JUNK) + 4
    assert scrape(redis, tmp_path)["gurukul_fleet_devices"] == "1.0"


def scrape(redis: Redis, folder: Path) -> dict[str, str]:
    """Name and labels of each metric, and its value."""
    registry = CollectorRegistry()
    registry.register(GurukulCollector(str(folder), redis))
    lines = generate_latest(registry).decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("kind", WRONG)
def test_metrics_and_fleet_answer_whatever_the_keys_are(redis: Redis, server: str, tmp_path: Path, kind: str) -> None:
    """Keys of a wrong type hold nothing."""
    registry = CollectorRegistry()
    collector = GurukulCollector(str(tmp_path), redis)
    registry.register(collector)
    beat(redis, presence("d0"))
    generate_latest(registry)
    for key in (DEVICES, PRESENCES, "d0", "dead-letters", "dead-letter-counts"):
        plant(redis, key, kind)
    assert b"gurukul_broker_up 1.0" in generate_latest(registry)
    assert command("fleet", "--broker", server, cwd=tmp_path).returncode == 0


def test_junk_among_outcomes_is_set_aside(redis: Redis, fleet: BrokerFleet, tmp_path: Path) -> None:
    """Good outcomes before and after it are read; it is counted once, and shown in the metrics."""
    report(redis, "r", outcome("A"))
    others = (outcome("X").replace('"r"', '"other"'), outcome("X").replace("ingest", "dance"))
    for body in (*JUNK, *(each.encode() for each in others)):
        redis.xadd(outcomes_stream("r"), {"outcome": body})
    redis.xadd(outcomes_stream("r"), {"another field": "x"})
    report(redis, "r", json.dumps(json.loads(outcome("B")) | {"of_a_later_version": 1}))
    assert read(fleet) == ["A", "B"]
    counts, letters = read_dead_letters(redis, 5)
    assert counts == {Place.OUTCOMES: len(JUNK) + 3}
    assert letters[1].reason.startswith("role: Input should be 'ingest'")
    assert scrape(redis, tmp_path)['gurukul_dead_letters_total{place="outcomes"}'] == f"{len(JUNK) + 3}.0"


@pytest.mark.parametrize("kind", WRONG)
def test_outcomes_and_attempts_of_a_wrong_type_are_replaced(redis: Redis, fleet: BrokerFleet, kind: str) -> None:
    """The run goes on as if the broker had lost them."""
    for key in (outcomes_stream("r"), attempts_key("r")):
        plant(redis, key, kind)
    assert list(fleet.outcomes(wait=True)) == []
    assert read(fleet) == []
    assert fleet.look() is not None
    assert redis.type(attempts_key("r")) in (b"none", b"hash")
    report(redis, "r", outcome("A"))
    assert read(fleet) == ["A"]


def test_junk_in_a_queue_hides_no_message(redis: Redis, server: str, fleet: BrokerFleet) -> None:
    """Ids are read among junk, and a run's messages are taken out from between it; its worker sets it aside."""
    sender = CeleryClient(server)
    for body in JUNK:
        redis.lpush("d0", body)
    sent = send(sender, "d0", "r", "s")
    for body in JUNK:
        redis.lpush("d0", body)
    assert fleet.queued(["d0"])["d0"] == set(sent)
    withdraw(redis, ["d0"], "r/")
    assert fleet.queued(["d0"])["d0"] == set(sent[1:])
    for kind in WRONG:
        plant(redis, "d0", kind)
        assert fleet.queued(["d0"])["d0"] == set()
        withdraw(redis, ["d0"], "r/")
    sender.close()


def test_a_queue_of_a_wrong_type_is_removed_when_the_fleet_is_looked_at(redis: Redis, fleet: BrokerFleet) -> None:
    """Work can be sent there again at once."""
    beat(redis, presence("d0"))
    plant(redis, "d0", "string")
    assert fleet.look() is not None
    assert not redis.exists("d0")
