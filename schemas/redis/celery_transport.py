"""Kombu's Redis transport on the connections of this project; the worker's transport extends it."""

# mypy: disallow-untyped-calls=False

from typing import Any

from kombu.transport import redis as kombu_redis

from schemas.redis.connections import PlainConnection, TlsConnection


class Channel(kombu_redis.Channel):
    """A channel whose connections follow the primary, and name what their user may not send.

    It keeps no table of bindings on the server, and so leaves no keys there for each device that there ever was: work
    is sent to a queue by its name, and orders are published to a channel.
    """

    connection_class = PlainConnection
    connection_class_ssl = TlsConnection

    def _queue_bind(self, exchange: str, routing_key: str, pattern: Any, queue: str) -> None:
        """Note which channel brings orders; any other queue is found by its name."""
        if self.typeof(exchange).type == "fanout":
            self._fanout_queues[queue] = (exchange, routing_key.replace("#", "*"))

    def maybe_refresh_binding_expiry(self) -> None:
        """Nothing: there is no table that could expire."""


class Transport(kombu_redis.Transport):
    """The transport of programs that send."""

    Channel = Channel
