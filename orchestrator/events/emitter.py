"""Emit the events of a run, and write the event log from their stream: every event goes to the stream, then the log."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis import Redis
from redis.exceptions import RedisError

from orchestrator.events.event_log import number_of, read_log
from orchestrator.events.stream_reader import began_anew, read_beyond
from schemas.contract.errors import RequestError
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.contract.received import UnreadableError, received
from schemas.contract.run import Phase
from schemas.contract.task import Outcome, Status
from schemas.redis.dead_letters import Place, heal, set_aside
from schemas.redis.events import continue_numbering, emit
from schemas.redis.keys import events_stream, sequence_key
from schemas.redis.writes import trouble

logger = logging.getLogger(__name__)

BATCH = 500
BUFFER_EVENTS, BUFFER_S = 50, 1.0
# `write_new` is called twice per second, so a younger event can wait for the next call.
LOOK_S = 0.5

Listener = Callable[[TrainingEvent], None]


def _ignore(event: TrainingEvent) -> None:
    """Default listener: ignores every event."""


class Emitter:
    """Emits events and writes the log of one run, while the run is open. With `path` None it publishes and writes none.

    `on_event` is called once per event, in the order in which this process receives them, whether or not they are
    published: first those of an existing log, then its own as they are emitted and those of workers as they are
    written. The log lags behind the stream by at most `buffer_events` events and `buffer_s` seconds.
    """

    def __init__(
        self, redis: Redis, run_id: str, path: Path | None, on_event: Listener = _ignore,
        buffer_events: int = BUFFER_EVENTS, buffer_s: float = BUFFER_S,
    ) -> None:  # fmt: skip
        self._redis, self._run_id, self._path, self._on_event = redis, run_id, path, on_event
        self._buffer_events, self._buffer = buffer_events, timedelta(seconds=max(buffer_s - LOOK_S, 0.0))
        self._cursor = "0-0"
        self._written = 0
        self._waiting = 0
        self._oldest: datetime | None = None
        self._caught_up = False
        # Timestamps of the log's events until the stream was read once: a broker that lost its data restarts at 1.
        self._logged: set[datetime] = set()
        # By timestamp: an event whose emission failed may have reached the broker, with a number that is unknown here.
        self._unseen: dict[datetime, TrainingEvent] = {}
        self._file: Any = None
        # What `together` keeps until its end.
        self._kept: list[TrainingEvent] | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._written = _last_sequence(self._path)
            for event in read_log(self._path):
                self._logged.add(event.timestamp)
                self._on_event(event)
            try:
                self._continue_numbering()
            except RedisError as error:
                raise RequestError(f"the broker {trouble(error)}; then resume the run") from None
            self._file = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def emit(self, event_type: EventType, status: EventStatus, phase: Phase | None = None, **details: Any) -> None:
        """Number, append and publish one event. Without a broker `write_new` writes it to the log only."""
        event = TrainingEvent(run_id=self._run_id, event_type=event_type, status=status, phase=phase, **details)
        self._on_event(event)
        if self._file is None:
            return
        if self._kept is None:
            self._send([event])
        else:
            self._kept.append(event)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send the events that are emitted inside the block in one round trip, when the outermost block ends."""
        if self._kept is not None:
            yield
            return
        kept: list[TrainingEvent] = []
        self._kept = kept
        try:
            yield
        finally:
            self._kept = None
            if kept:
                self._send(kept)

    def _send(self, events: Sequence[TrainingEvent]) -> None:
        try:
            emit(self._redis, *events)
        except RedisError as error:
            kinds = ", ".join(dict.fromkeys(event.event_type for event in events))
            logger.warning("%d events (%s) are kept for the log: the broker %s", len(events), kinds, trouble(error))
        self._unseen.update((event.timestamp, event) for event in events)

    def progress(self, phase: Phase, ends: Collection[Outcome]) -> None:
        """Emit the progress of a phase that trains no windows."""
        count = Counter(outcome.status for outcome in ends)
        metrics = {"done": len(ends), "failed": count[Status.FAILED], "skipped": count[Status.SKIPPED]}
        self.emit(EventType.PHASE_PROGRESS, EventStatus.IN_PROGRESS, phase, metrics=metrics)

    def write_new(self) -> None:
        """Append to the log the events that only the stream has, and those of this process that the stream has lost."""
        stream = events_stream(self._run_id)
        if self._file is not None and began_anew(self._redis, stream, self._cursor):
            self._cursor = "0-0"
        forgotten = False
        while self._file is not None:
            entries = read_beyond(self._redis, stream, self._cursor, "event", BATCH, block_ms=None)
            for self._cursor, body in entries:
                event = self._read(body)
                if event is None:
                    continue
                number = event.seq or 0
                mine = self._unseen.pop(event.timestamp, None) is not None
                if number > self._written:
                    self._append(event.model_dump_json(), number, event.timestamp)
                elif self._caught_up or event.timestamp not in self._logged:
                    # A broker that lost the numbering begins at 1 again; the log continues its own.
                    self._write(event)
                    forgotten = True
                else:
                    continue
                if not mine:
                    self._on_event(event)
            if len(entries) < BATCH:
                break
        else:
            return
        if self._write_unseen() or forgotten:
            self._continue_numbering()
        self._caught_up = True
        self._logged.clear()
        if self._oldest is not None and (
            self._waiting >= self._buffer_events or datetime.now(UTC) - self._oldest >= self._buffer
        ):
            self._flush()

    def logged_windows(self) -> set[tuple[EventType, str]]:
        """Return (type, window label) of every event in the log that concerns a window."""
        if self._path is None:
            return set()
        self._flush()
        return {(event.event_type, event.window_label) for event in read_log(self._path) if event.window_label}

    def finish(self, event_type: EventType, status: EventStatus, **details: Any) -> None:
        """Emit the last event and write everything up to it."""
        self.emit(event_type, status, **details)
        try:
            self.write_new()
        except RedisError as error:
            logger.warning("event log ends without the last events of workers: the broker %s", trouble(error))
            self._write_unseen()
        self._flush()

    def _continue_numbering(self) -> None:
        """Continue the stream's numbering after the log's last event; keys of a wrong type are written anew."""
        heal(self._redis, {sequence_key(self._run_id): "counter", events_stream(self._run_id): "stream"})
        continue_numbering(self._redis, self._run_id, self._written)

    def _read(self, body: bytes) -> TrainingEvent | None:
        """The event in an entry of the stream; None for what is no event of this run, which is set aside."""
        try:
            event = received(TrainingEvent, body)
            if event.run_id != self._run_id:
                raise UnreadableError(f"it is of run {event.run_id}")
        except UnreadableError as error:
            set_aside(self._redis, Place.EVENTS, events_stream(self._run_id), str(error), body)
            return None
        return event

    def _write_unseen(self) -> bool:
        """Append own events that the stream lacks; returns whether there were any."""
        unseen = list(self._unseen.values())
        self._unseen.clear()
        for event in unseen:
            self._write(event)
        return bool(unseen)

    def _write(self, event: TrainingEvent) -> None:
        """Append an event under the log's own next number."""
        number = self._written + 1
        self._append(event.model_copy(update={"seq": number}).model_dump_json(), number, event.timestamp)

    def _append(self, body: str, number: int, timestamp: datetime) -> None:
        self._file.write(body + "\n")
        self._written = number
        self._waiting += 1
        self._oldest = min(self._oldest or timestamp, timestamp)

    def _flush(self) -> None:
        if self._file is not None:
            self._file.flush()
        self._waiting, self._oldest = 0, None


def _last_sequence(path: Path) -> int:
    """Sequence number of the last whole line; an incomplete line, left by a kill, is removed."""
    if not path.is_file():
        return 0
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        path.write_bytes(whole)
    return max((number_of(line) or 0 for line in whole.splitlines()[-1:]), default=0)
