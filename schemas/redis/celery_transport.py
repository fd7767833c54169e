"""Kombu's Redis transport on the connections of this project; the worker's transport extends it."""

from kombu.transport import redis as kombu_redis

from schemas.redis.connections import PlainConnection, TlsConnection


class Channel(kombu_redis.Channel):
    """A channel whose connections follow the primary, and name what their user may not send."""

    connection_class = PlainConnection
    connection_class_ssl = TlsConnection


class Transport(kombu_redis.Transport):
    """The transport of programs that send."""

    Channel = Channel
