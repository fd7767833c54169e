"""Follow the events of a run: each once and in order, through lost connections and restarts of the broker.

The broker's stream is read first. If it is empty or an event is missing from it, the event log is read.
"""

import time
from collections.abc import Callable
from pathlib import Path

from redis import Redis
from redis.exceptions import NoPermissionError, RedisError

from orchestrator.events.event_log import number_of
from orchestrator.events.stream_reader import began_anew, read_beyond
from schemas.contract.event import TrainingEvent
from schemas.contract.received import UnreadableError, received
from schemas.redis.client import connect
from schemas.redis.keys import events_stream
from schemas.redis.writes import trouble

BATCH = 1000
# A poll takes at most so many events from the log; a run of 1,000,000 windows has 4,000,000 events.
MOST_OF_LOG = 20_000
# The log lags behind the stream by about 1 s; a gap that it has not filled after this long stays a gap.
PATIENCE_S = 5.0
RETRY_S = 1.0


class EventFollower:
    """Reads a run's events from a broker, its log, or both; never writes.

    `missed` counts events that neither has any more, and those that this version cannot read.
    `live` is whether the broker answered the last request. `refused` is what it does not allow to its user, and the
    remedy; empty if it refused nothing.
    """

    def __init__(
        self, run_id: str, log: Path | None, broker: str | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run_id, self._log, self._broker, self._clock = run_id, log, broker, clock
        self._redis: Redis | None = None
        self._asked = float("-inf")
        self._cursor = "0-0"
        self._offset = 0
        self._gap_since: float | None = None
        self._has_more = False
        self.last = 0
        self.missed = 0
        self.live = False
        self.refused = ""

    def close(self) -> None:
        """Close the connection."""
        if self._redis is not None:
            self._redis.close()
            self._redis = None

    def poll(self, block_s: float = 0.0) -> list[TrainingEvent]:
        """The next events, none if there are no more; waits up to `block_s` seconds for the stream's next one."""
        found = self._from_log() if not self.last or self._has_more else []
        if self._has_more:
            return found
        if self._broker is not None and (self.live or self._clock() - self._asked >= RETRY_S):
            try:
                self._from_stream(found, block_s if not found else 0.0)
                self.live, self.refused = True, ""
            except RedisError as error:
                self.close()
                self.live = False
                self.refused = trouble(error) if isinstance(error, NoPermissionError) else ""
            self._asked = self._clock()
        return found or self._from_log()

    def _from_stream(self, found: list[TrainingEvent], block_s: float) -> None:
        """Add new events of the stream to `found`, also before an error; gaps are filled from the log first."""
        if self._redis is None:
            assert self._broker is not None
            self._redis = connect(self._broker)
        stream = events_stream(self._run_id)
        if began_anew(self._redis, stream, self._cursor):
            self._cursor = "0-0"
        block_ms = int(block_s * 1000) or None
        while entries := read_beyond(self._redis, stream, self._cursor, "event", BATCH, block_ms):
            block_ms = None
            for entry, body in entries:
                event, number = self._read(body)
                if event is not None and number > self.last + 1 and not self._may_skip(found, number):
                    return
                self._take(found, event, number)
                self._cursor = entry

    def _may_skip(self, found: list[TrainingEvent], number: int) -> bool:
        """Fill the gap before event `number` from the log; False while the log may still bring it."""
        found += self._from_log(below=number)
        if self._has_more:
            return False
        if number == self.last + 1:
            self._gap_since = None
            return True
        if self._gap_since is None:
            self._gap_since = self._clock()
        if self._log is not None and self._clock() - self._gap_since < PATIENCE_S:
            return False
        self.missed += number - self.last - 1
        self._gap_since = None
        return True

    def _read(self, body: bytes) -> tuple[TrainingEvent | None, int]:
        """The event in `body` and its number; no event if this version cannot read it, or it is of another run."""
        try:
            event = received(TrainingEvent, body)
        except UnreadableError:
            return None, number_of(body) or 0
        return event if event.run_id == self._run_id else None, event.seq or 0

    def _take(self, found: list[TrainingEvent], event: TrainingEvent | None, number: int) -> None:
        """Add an event that is new. One that cannot be read counts as missed if its number is the next."""
        if event is not None and number > self.last:
            found.append(event)
            self.last = number
        elif event is None and number == self.last + 1:
            self.missed += 1
            self.last = number

    def _from_log(self, below: int | None = None) -> list[TrainingEvent]:
        """Whole lines of the log beyond what was read, up to event number `below`, or as many as one poll takes."""
        self._has_more = False
        if self._log is None or not self._log.is_file():
            return []
        found: list[TrainingEvent] = []
        with self._log.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                if len(found) == MOST_OF_LOG:
                    self._has_more = True
                    break
                event, number = self._read(line)
                if below is not None and number >= below:
                    break
                self._offset += len(line)
                if event is not None:
                    self.missed += max(number - self.last - 1, 0)
                self._take(found, event, number)
        return found
