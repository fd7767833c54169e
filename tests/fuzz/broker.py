"""Parsers of what other programs write to the broker: messages, outcomes, events, heartbeats, shares, claims."""

import base64
import io
import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from redis import Redis
from rich.console import Console

from orchestrator.cli.fleet import device_table
from orchestrator.dispatch.broker_fleet import BrokerFleet, task_id
from orchestrator.dispatch.celery_client import CeleryClient
from orchestrator.dispatch.fleet_report import FleetReport
from orchestrator.dispatch.heartbeat_events import HeartbeatEvents
from orchestrator.dispatch.loop import Dispatcher
from orchestrator.dispatch.needs import Needs
from orchestrator.dispatch.played_fleet import PlayedFleet
from orchestrator.dispatch.policy import fit_for
from orchestrator.dispatch.presence_reader import Attendance
from orchestrator.dispatch.sharing import Sharing
from orchestrator.dispatch.work import Work, find_strays
from orchestrator.events.emitter import Emitter
from orchestrator.events.event_follower import EventFollower
from orchestrator.events.event_log import read_log
from orchestrator.events.run_fold import fold, notice
from orchestrator.events.run_state import RunState
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.ledger_reader import EventLog
from orchestrator.runs.doctor import device_checks
from orchestrator.terminal.live_view import LiveView
from orchestrator.terminal.run_view import RunView
from schemas.contract.event import TrainingEvent
from schemas.contract.presence import Presence
from schemas.contract.received import UnreadableError
from schemas.contract.share import Share
from schemas.contract.task import TASK_NAMES, IngestTask, Outcome, RunTask, WindowTask, work_name
from schemas.redis.attempt_id import AttemptId
from schemas.redis.attempts import claimants
from schemas.redis.dead_letters import DeadLetter, read_dead_letters
from schemas.redis.presences import read_presences
from schemas.redis.script import PRESENT_DEVICES, READ_STREAM, SHARE
from schemas.redis.shares import publish_share
from tests.fuzz.mutation import change_bytes, change_json, change_line
from tests.fuzz.parser import Parser, documents, instances
from workers.celery.message import checked
from workers.handlers.report import parse

RUN, DEVICE = "r", "cpu0@alpha"
NOW = datetime(2026, 11, 29, tzinfo=UTC)


class Answers(Redis):
    """A client whose server answers each script with `reply` once, then with nothing."""

    def __init__(self, script: str = "", reply: Any = (), claim: bytes | None = None) -> None:
        self._script, self._reply, self._claim = script, reply, claim
        self.replies: list[Any] = []

    def execute_command(self, *command: Any, **options: Any) -> Any:
        """The reply to a command."""
        self.replies.append(self._reply_to(command))
        return self.replies[-1]

    def _reply_to(self, command: tuple[Any, ...]) -> Any:
        if command[0] == "HMGET":
            return [self._claim] * (len(command) - 2)
        reply, self._reply = self._reply if self._script in command else [], []
        return reply

    def pipeline(self, transaction: Any = True, shard_hint: Any = None) -> Any:
        """Itself, with no replies yet."""
        self.replies.clear()
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, raise_on_error: bool = True) -> Any:
        """The replies since the pipeline began."""
        return list(self.replies)


def _message(content: bytes, folder: Path) -> None:
    """What a worker does with an entry of its queue, and the orchestrator when it looks at the queue."""
    task_id(content)
    message = checked(content, DEVICE)
    _, keywords, _ = json.loads(base64.b64decode(message["body"]))
    parse(keywords["message"])


def _messages() -> list[bytes]:
    tasks: list[Work] = [
        *instances(WindowTask, run_id=RUN),
        *instances(IngestTask, 2, run_id=RUN),
        *instances(RunTask, run_id=RUN),
    ]
    return [_enveloped(each.model_dump(mode="json"), str(_identity(each)), TASK_NAMES[each.role]) for each in tasks]


def _identity(task: Work) -> AttemptId:
    return AttemptId(task.run_id, task.role, work_name(task), task.attempt)


def _enveloped(message: Any, identity: str, name: str) -> bytes:
    body = base64.b64encode(json.dumps([[], {"message": message}, {}]).encode()).decode()
    headers = {"id": identity, "task": name, "argsrepr": "", "kwargsrepr": ""}
    return json.dumps({"body": body, "headers": headers, "properties": {"body_encoding": "base64"}}).encode()


def _change_message(rng: random.Random, good: Sequence[bytes]) -> bytes:
    """A message whose task is changed inside its encoding; one in three is changed outside."""
    if rng.random() < 0.3:
        return change_json(rng, good)
    envelope = json.loads(rng.choice(good))
    body = change_json(rng, [base64.b64decode(envelope["body"])])
    return json.dumps(envelope | {"body": base64.b64encode(body).decode()}).encode()


class _GivenOutcomes(PlayedFleet):
    """A fleet whose outcomes are given."""

    given: tuple[Outcome, ...] = ()

    def outcomes(self, *, wait: bool) -> Iterator[Outcome]:
        """What was given, once."""
        given, self.given = self.given, ()
        yield from given


@cache
def _dispatcher() -> tuple[Dispatcher, _GivenOutcomes]:
    ledger, redis, fleet = Ledger.in_memory(), Answers(), _GivenOutcomes()
    view = LiveView(Console(file=io.StringIO()), RUN)
    return Dispatcher(RUN, Needs.of("/data"), fleet, ledger, Emitter(redis, RUN, None), view, lambda: None), fleet


def _outcome(content: bytes, folder: Path) -> None:
    """From the run's stream to the ledger, with the claim of another device and with none."""
    dispatcher, fleet = _dispatcher()
    for claim in (None, b"1 gpu9@beta 1", content[:40]):
        redis = Answers(READ_STREAM.source, [b"1-0", content], claim)
        fleet.given = tuple(BrokerFleet(RUN, redis, _no_client()).outcomes(wait=False))
        dispatcher.take_missed_outcomes()


@cache
def _no_client() -> CeleryClient:
    return CeleryClient("redis://127.0.0.1:1/0")


def _events(content: bytes, folder: Path) -> None:
    """A log of events: followed, folded and drawn, counted, and read as its run is resumed."""
    path = folder / "events.jsonl"
    path.write_bytes(content)
    follower, state = EventFollower(RUN, path, None), RunState(RUN)
    for event in follower.poll():
        fold(state, event)
        notice(event)
    Console(file=io.StringIO(), width=100).print(RunView(state, lambda: NOW))
    log = EventLog(path)
    log.read_on()
    for _ in read_log(path):
        pass


def _event_lines() -> list[bytes]:
    logs = []
    for first in (0, 20, 40):
        events = instances(TrainingEvent, 60, run_id=RUN)[first : first + 20]
        numbered = [each.model_copy(update={"seq": place}) for place, each in enumerate(events, 1)]
        logs.append(b"".join(each.model_dump_json().encode() + b"\n" for each in numbered))
    return logs


def _heartbeat(content: bytes, folder: Path) -> None:
    """From the broker to the policy's view, the events of a run, `doctor` and `fleet`."""
    present = read_presences(Answers(PRESENT_DEVICES.source, [0, DEVICE.encode(), content]))
    attendance, needs = Attendance(), Needs.of("/data")
    attendance.update(present, 1.0)
    fit_for(needs, attendance.present)
    strays = find_strays(RUN, present, set(), (), 1.0)
    named = [attempt for each in strays if (attempt := AttemptId.parse(each.id)) is not None]
    claimants(Answers(claim=content[:30]), named)
    HeartbeatEvents(Emitter(Answers(), RUN, None), RUN).see(present, needs)
    for each in present.values():
        for _ in device_checks(each, needs, cordoned=False):
            pass
    Console(file=io.StringIO(), width=100).print(device_table(FleetReport(present, {}, set(), {}, {}, {}, [])))


def _heartbeats() -> list[bytes]:
    found = []
    for each in instances(Presence, 4):
        own = each.model_copy(update={"device": each.device.model_copy(update={"name": DEVICE})})
        running = ("r/teacher/TCS_2022-01-01_to_2022-06-30/1", "r/statistics/leak/2", *each.running)
        found.append(own.model_copy(update={"running": running}).model_dump_json().encode())
    return found


def _share(content: bytes, folder: Path) -> None:
    sharing, fit = Sharing(RUN), instances(Presence, 2)
    redis = Answers(SHARE.source, [b"other", content])
    sharing.slots({each.device.name: each for each in fit}, 8, 2, 1.0, lambda own: publish_share(redis, RUN, own))


def _dead_letter(content: bytes, folder: Path) -> None:
    read_dead_letters(Answers("LRANGE", [content]), 5)


def _identifier(content: bytes, folder: Path) -> None:
    text = content.decode(errors="replace")
    if (found := AttemptId.parse(text)) is not None:
        assert AttemptId.parse(str(found)) == found


PARSERS = {
    "message": Parser(_message, _messages, _change_message, (UnreadableError,)),
    "outcome": Parser(_outcome, lambda: documents(Outcome, 4, run_id=RUN), change_json),
    "event": Parser(_events, _event_lines, change_line),
    "heartbeat": Parser(_heartbeat, _heartbeats, change_json),
    "share": Parser(_share, lambda: documents(Share, 4), change_json),
    "dead_letter": Parser(_dead_letter, lambda: documents(DeadLetter, 4, key="k", reason="r", body="b"), change_json),
    "attempt_id": Parser(
        _identifier, lambda: [b"r/teacher/TCS_2022-01-01_to_2022-06-30/1", b"r/audit/r/12"], change_bytes
    ),
}
