"""Kombu's Redis transport on the connections of this project; the worker's transport extends it."""

# mypy: disallow-untyped-calls=False

from typing import Any

from kombu.transport import redis as kombu_redis
from kombu.utils.json import dumps

from schemas.contract.broker_address import BrokerAddress
from schemas.redis.connections import (
    PlainConnection,
    PrimaryConnection,
    SocketConnection,
    TlsConnection,
    TlsPrimaryConnection,
)
from schemas.redis.signing import NO_KEY, FleetKey, Kind

# Options of a TCP connection, which a socket file has not; a primary's host and port are not known before.
_TCP = ("host", "port", "socket_keepalive", "socket_keepalive_options")
PLACE, KEY = "place", "key"


def transport_options(address: BrokerAddress) -> dict[str, Any]:
    """Options of this transport for an address, beside its `celery_settings`."""
    return {PLACE: address.place_options()}


class Channel(kombu_redis.Channel):
    """A channel whose connections follow the primary, and name what their user may not send.

    It keeps no table of bindings on the server, and so leaves no keys there for each device that there ever was: work
    is sent to a queue by its name, and orders are published to a channel.
    """

    connection_class: type[Any] = PlainConnection
    connection_class_ssl: type[Any] = TlsConnection

    def __init__(self, connection: Any, *arguments: Any, **options: Any) -> None:
        self._place: dict[str, Any] = connection.client.transport_options.get(PLACE) or {}
        if "path" in self._place:
            self.connection_class = SocketConnection
        elif self._place:
            self.connection_class, self.connection_class_ssl = PrimaryConnection, TlsPrimaryConnection
        super().__init__(connection, *arguments, **options)
        self.close_idle()

    def close_idle(self) -> None:
        """Close connections that were used once, such as for the first ping; they open again when they are needed."""
        for pool in (self._pool, self._async_pool):
            if pool is not None:
                pool.disconnect(inuse_connections=False)

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """Arguments of a connection, of kombu's settings and of the address."""
        found: dict[str, Any] = super()._connparams(asynchronous)
        unused = _TCP if "path" in self._place else _TCP[:2] if self._place else ()
        return {name: value for name, value in found.items() if name not in unused} | self._place

    def _queue_bind(self, exchange: str, routing_key: str, pattern: Any, queue: str) -> None:
        """Note which channel brings orders; any other queue is found by its name."""
        if self.typeof(exchange).type == "fanout":
            self._fanout_queues[queue] = (exchange, routing_key.replace("#", "*"))

    def maybe_refresh_binding_expiry(self) -> None:
        """Nothing: there is no table that could expire."""


class Sender(Channel):
    """A channel that signs what it sends: a task for its queue, an order for its channel."""

    def __init__(self, connection: Any, *arguments: Any, **options: Any) -> None:
        self._key: FleetKey = connection.client.transport_options.get(KEY) or NO_KEY
        super().__init__(connection, *arguments, **options)

    def _put(self, queue: str, message: Any, *, _publish_batch: Any = None, **options: Any) -> None:
        item = self._key.sign(Kind.TASK, queue, dumps(message).encode())
        if _publish_batch is not None:
            _publish_batch.add("lpush", queue, item)
            return
        with self.conn_or_acquire() as client:
            client.lpush(queue, item)

    def _put_fanout(self, exchange: str, message: Any, routing_key: str, **options: Any) -> None:
        body = dumps(message).encode()
        with self.conn_or_acquire() as client:
            for channel in self._get_publish_topics(exchange, routing_key):
                client.publish(channel, self._key.sign(Kind.ORDER, channel, body))


class Transport(kombu_redis.Transport):
    """The transport of programs that send. Its option `KEY` signs what they send."""

    Channel: type[kombu_redis.Channel] = Sender
