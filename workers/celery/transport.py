"""Kombu's Redis transport, which sets aside what is no message, and waits for a server that takes no writes.

Both end the worker of kombu's own transport, with the windows that it trains.
"""

# mypy: disallow-untyped-calls=False

import logging
from queue import Empty
from typing import Any

from celery.worker.control import Panel
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError, ResponseError

from schemas.contract.received import UnreadableError
from schemas.redis import celery_transport
from schemas.redis.dead_letters import Place, heal, set_aside
from schemas.redis.signing import NO_KEY, Kind, fleet_key
from schemas.redis.writes import trouble, try_write
from workers.celery.message import checked

logger = logging.getLogger(__name__)


def _questions() -> set[str]:
    """Celery's orders that change nothing but whether events are sent, which Flower asks for.

    `hello` is no question: it revokes tasks. Neither is `objgraph`, which writes a file.
    """
    inspecting = {name for name, each in Panel.meta.items() if each.type == "inspect"}
    return inspecting - {"hello", "objgraph"} | {"enable_events"}


class Channel(celery_transport.Channel):
    """A channel that delivers checked messages of its queues, and orders that can be decoded. It is given nothing else.

    Kombu parses what it takes from a queue in the worker's event loop, and any error there ends the worker.
    """

    _asked: tuple[str, ...] | list[str] = ()

    def _size(self, queue: str) -> int:
        """Length of a queue, which Celery asks for when it declares it."""
        try:
            return int(super()._size(queue))
        finally:
            self.close_idle()

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Wait for a message, and ask at once for as many more as there is room for: a far broker answers once."""
        super()._brpop_start(timeout)
        more = (self.qos.can_consume_max_estimate() or 1) - 1
        self._asked = list(self.active_queues) if more > 0 else []
        for queue in self._asked:
            self.client.connection.send_command("RPOP", queue, more)

    def _brpop_read(self, **options: Any) -> bool:
        """Deliver the messages that have arrived; Empty if none has, or all are set aside."""
        connection = self.client.connection
        arrived: list[tuple[str, bytes]] = []
        try:
            try:
                if first := self._reply(connection, "BRPOP", options):
                    arrived.append((first[0].decode(), first[1]))
                for queue in self._asked:
                    arrived += [(queue, item) for item in self._reply(connection, "RPOP", options) or ()]
            except self.connection_errors:
                connection.disconnect()
                raise
        finally:
            self._in_poll = False
            self._flush_brpop_reauth()
            delivered = [self._deliver(queue, item) for queue, item in arrived]
        if not any(delivered):
            raise Empty
        return True

    def _reply(self, connection: Any, command: str, options: dict[str, Any]) -> Any:
        """The reply to a command; None if its key is no list."""
        try:
            return self.client.parse_response(connection, command, **options)
        except ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            self._quietly(heal, dict.fromkeys(self.active_queues, "list"))
            return None

    def _deliver(self, queue: str, item: bytes) -> bool:
        if self._closing and not self.do_restore:
            return False  # the worker drains: the attempt is sent elsewhere
        self._queue_cycle.rotate(queue)
        try:
            message = checked(fleet_key().open(Kind.TASK, queue, item), queue)
        except UnreadableError as error:
            self._set_aside(Place.QUEUE, queue, str(error), item)
            return False
        self.connection._deliver(message, queue)
        return True

    def _handle_message(self, client: Any, r: Any) -> dict[str, Any]:
        """What arrived on a channel for orders; without its data if that is no order."""
        payload: dict[str, Any] = super()._handle_message(client, r)
        data = payload["data"]
        if isinstance(data, bytes):
            try:
                payload["data"] = self._checked_order(data, bytes_to_str(payload["channel"]))
            except Exception as error:
                # Whatever kombu raises for it: it would raise the same in the event loop.
                self._set_aside(
                    Place.ORDERS, bytes_to_str(payload["channel"]), f"{type(error).__name__}: {error}", data
                )
                payload["data"] = None
        return payload

    def _checked_order(self, data: bytes, channel: str) -> bytes:
        """An order that can be decoded. A fleet with a key obeys unsigned ones only if they change nothing."""
        try:
            body, fault = fleet_key().open(Kind.ORDER, channel, data), None
        except UnreadableError as error:
            body, fault = NO_KEY.open(Kind.ORDER, channel, data), error
        message = self.Message(loads(body.decode()), channel=self)
        message.accept = {"application/json"}
        if message.errors or not isinstance(order := message.decode(), dict):
            raise ValueError("no order")
        if fault is not None and order.get("method") not in _questions():
            raise fault
        return body

    def _set_aside(self, place: Place, key: str, reason: str, body: bytes) -> None:
        logger.warning("set aside from %s, as it cannot be read: %s", key, reason)
        self._quietly(set_aside, place, key, reason, body)

    def _quietly(self, call: Any, *arguments: Any) -> None:
        """Make a call to the broker that need not succeed."""
        try:
            with self.conn_or_acquire() as client:
                call(client, *arguments)
        except RedisError as error:
            logger.warning("a dead letter is lost, as the broker %s", trouble(error))


class Transport(celery_transport.Transport):
    """The transport of workers."""

    Channel = Channel

    def establish_connection(self) -> Any:
        """Connect to a server that takes writes: without them no work can be taken."""
        connection = super().establish_connection()
        try:
            channel = self._avail_channels[-1]
            with channel.conn_or_acquire() as client:
                try_write(client)
            channel.close_idle()
        except Disconnected:
            self.close_connection(connection)
            raise
        except ResponseError:
            pass  # Celery would retry it for ever; what this user may not do ends the worker where it is needed
        return connection
