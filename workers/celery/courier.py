"""One connection of a worker on which commands are sent without waiting for the replies to those before."""

# mypy: disallow-untyped-calls=False

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock
from typing import Any

from redis.exceptions import RedisError, TimeoutError

from schemas.redis.script import Command
from schemas.redis.worker_connection import FIRST_WAIT_S, LONGEST_WAIT_S, connect
from schemas.redis.writes import trouble

logger = logging.getLogger(__name__)

# A reply that is late by so long proves that the connection is lost.
REPLY_S = 5.0

OnReply = Callable[[Any], None]


@dataclass
class Call:
    """A command that is `pending` until its reply. One that is sent `once` is dropped with its connection."""

    command: Command
    then: OnReply
    once: bool
    sent_s: float = 0.0
    pending: bool = True


class Courier:
    """Sends commands in order, and passes each reply on from the event loop, in the same order.

    What has no reply when the connection is lost is sent again, in order, until a broker accepts it: each command must
    do the same when it is repeated. Of the methods, `finish` alone waits for replies. While a worker drains, its timers
    run in a thread of their own, so every method locks; its user locks its own state with the same `lock`.
    """

    def __init__(self, hub: Any) -> None:
        self._hub, self.lock = hub, RLock()
        self._connection: Any = connect(REPLY_S).connection_pool.make_connection()
        self._calls: deque[Call] = deque()
        self._descriptor: int | None = None
        self._wait_s = FIRST_WAIT_S

    def send(self, command: Command, then: OnReply = lambda reply: None, *, once: bool = False) -> Call:
        """Send a command; `then` is called with its reply."""
        with self.lock:
            self._calls.append(call := Call(command, then, once))
            if self._descriptor is not None:
                self._write(call)
            return call

    def attach(self) -> None:
        """Read replies in the event loop, which has started or forgotten its readers; connect if that is needed."""
        with self.lock:
            if self._descriptor is None:
                self._open()
            else:
                self._hub.add_reader(self._descriptor, self._read)

    def tend(self) -> None:
        """Read replies that have arrived, and leave a connection on which one is late."""
        with self.lock:
            if self._descriptor is None:
                return
            self._read()
            if self._calls and self._calls[0].sent_s + REPLY_S < time.monotonic() and self._descriptor is not None:
                self._lose(TimeoutError("Timeout reading from socket"))

    def finish(self, within_s: float) -> None:
        """Wait until every command has its reply, for `within_s` at most."""
        deadline = time.monotonic() + within_s
        while self._calls and time.monotonic() < deadline:
            if self._descriptor is None:
                time.sleep(self._wait_s)
                with self.lock:
                    self._open()
            else:
                time.sleep(FIRST_WAIT_S / 5)
                self.tend()

    def _open(self) -> None:
        """Connect, and send whatever has no reply."""
        if self._descriptor is not None:
            return
        try:
            self._connection.connect()
        except (RedisError, OSError) as error:
            self._lose(error)
            return
        descriptor: int = self._connection._sock.fileno()
        self._descriptor = descriptor
        self._hub.add_reader(descriptor, self._read)
        for call in list(self._calls):
            if self._descriptor is not None:
                self._write(call)

    def _write(self, call: Call) -> None:
        try:
            call.sent_s = time.monotonic()
            self._connection.send_command(*call.command)
        except (RedisError, OSError) as error:
            self._lose(error)

    def _read(self) -> None:
        with self.lock:
            try:
                while self._descriptor is not None and self._connection.can_read(timeout=0):
                    reply = self._connection.read_response()
                    self._wait_s = FIRST_WAIT_S
                    if self._calls:
                        call = self._calls.popleft()
                        call.pending = False
                        call.then(reply)
            except (RedisError, OSError) as error:
                self._lose(error)

    def _lose(self, error: BaseException) -> None:
        """Close the connection and open another after a while, longer each time."""
        if self._descriptor is not None:
            self._hub.remove(self._descriptor)
            self._descriptor = None
        self._connection.disconnect()
        for call in self._calls:
            call.pending = not call.once
        self._calls = deque(call for call in self._calls if call.pending)
        logger.warning("the broker %s; trying again in %.2f s", trouble(error), self._wait_s)
        self._hub.call_later(self._wait_s, self._reopen)
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def _reopen(self) -> None:
        with self.lock:
            self._open()
