"""Kombu's Redis transport, which sets aside what is no message, and waits for a server that takes no writes.

Both end the worker of kombu's own transport, with the windows that it trains.
"""

# mypy: disallow-untyped-calls=False

import logging
from queue import Empty
from typing import Any

from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError, ResponseError

from schemas.contract.received import UnreadableError
from schemas.redis import celery_transport
from schemas.redis.dead_letters import Place, heal, set_aside
from schemas.redis.writes import trouble, try_write
from workers.celery.message import checked

logger = logging.getLogger(__name__)


class Channel(celery_transport.Channel):
    """A channel that delivers checked messages of its queues, and orders that can be decoded. It is given nothing else.

    Kombu parses what it takes from a queue in the worker's event loop, and any error there ends the worker.
    """

    def _brpop_read(self, **options: Any) -> bool:
        """Deliver the message that has arrived; Empty if none has, or what has is set aside."""
        connection = self.client.connection
        try:
            try:
                reply = self.client.parse_response(connection, "BRPOP", **options)
            except self.connection_errors:
                connection.disconnect()
                raise
            except ResponseError as error:
                if "WRONGTYPE" not in str(error):
                    raise
                self._quietly(heal, dict.fromkeys(self.active_queues, "list"))
                reply = None
            if not reply:
                raise Empty
            queue, item = reply[0].decode(), reply[1]
            self._queue_cycle.rotate(queue)
            try:
                message = checked(item, queue)
            except UnreadableError as error:
                self._set_aside(Place.QUEUE, queue, str(error), item)
                raise Empty from None
            self.connection._deliver(message, queue)
            return True
        finally:
            self._in_poll = False
            self._flush_brpop_reauth()

    def _handle_message(self, client: Any, r: Any) -> dict[str, Any]:
        """What arrived on a channel for orders; without its data if that is no order."""
        payload: dict[str, Any] = super()._handle_message(client, r)
        data = payload["data"]
        if isinstance(data, bytes):
            try:
                message = self.Message(loads(data.decode()), channel=self)
                message.accept = {"application/json"}
                if message.errors or not isinstance(message.decode(), dict):
                    raise ValueError("no order")
            except Exception as error:
                # Whatever kombu raises for it: it would raise the same in the event loop.
                self._set_aside(
                    Place.ORDERS, bytes_to_str(payload["channel"]), f"{type(error).__name__}: {error}", data
                )
                payload["data"] = None
        return payload

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
            with self._avail_channels[-1].conn_or_acquire() as client:
                try_write(client)
        except Disconnected:
            self.close_connection(connection)
            raise
        except ResponseError:
            pass  # Celery would retry it for ever; what this user may not do ends the worker where it is needed
        return connection
