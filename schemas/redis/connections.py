"""Connections to a broker that follow its primary, and name the command that its user may not send."""

# mypy: disallow-untyped-calls=False

from typing import Any

from redis import Connection, SSLConnection, UnixDomainSocketConnection
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoPermissionError, ResponseError
from redis.retry import Retry
from redis.sentinel import Sentinel

from schemas.contract.broker_address import BrokerAddress
from schemas.redis.writes import refused_write

# What servers answer if a script sends what its user may not send.
REFUSED_SCRIPTS = ("ACL failure in script", "The user executing the script can't")
# Seconds within which a Sentinel answers, or the next is asked.
ASK_S = 2.0
MOST_KEYS, MOST_CHARACTERS = 4, 60


class Following:
    """Takes a refused write for a lost connection: the address may name another server by now.

    A refused command is named, with its first keys; redis-py itself names those of pipelines.
    """

    _sent: tuple[Any, ...] = ()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # Without it no CLIENT SETINFO is sent, a right that servers before Redis 7.2 cannot even grant.
        super().__init__(*arguments, **{"driver_info": None, **options})

    def send_command(self, *arguments: Any, **options: Any) -> None:
        """Send one command, and remember it until its reply."""
        super().send_command(*arguments, **options)  # type: ignore[misc]
        self._sent = arguments

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send commands in the form of the protocol."""
        self._sent = ()
        super().send_packed_command(command, check_health)  # type: ignore[misc]

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """The next reply; ConnectionError if it is that the server takes no writes, NoPermissionError from a script."""
        try:
            return super().read_response(*arguments, **options)  # type: ignore[misc]
        except ResponseError as error:
            if refused_write(error):
                raise Disconnected(str(error)) from error
            if isinstance(error, NoPermissionError) or str(error).startswith(REFUSED_SCRIPTS):
                named = f"{_shown(self._sent)}: {error}" if self._sent else str(error)
                raise NoPermissionError(named) from error
            raise


class PlainConnection(Following, Connection):
    """Without TLS."""


class TlsConnection(Following, SSLConnection):
    """With TLS."""


class SocketConnection(Following, UnixDomainSocketConnection):
    """By a socket file of this host."""


class _Primary:
    """Asks Sentinels, at each connection, which server is the primary of a service.

    They take no user and password of their own; TLS, if any, is that of the server.
    """

    def __init__(self, *, sentinels: tuple[tuple[str, int], ...], service: str, **options: Any) -> None:
        self._sentinels, self._service = sentinels, service
        self._tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
        super().__init__(**options)

    def _connect(self) -> Any:
        once = {"socket_timeout": ASK_S, "socket_connect_timeout": ASK_S, "retry": Retry(NoBackoff(), 0)}
        tls = {"ssl": True, **self._tls} if self._tls else {}
        manager = Sentinel(self._sentinels, sentinel_kwargs=once | tls)
        try:
            self.host, self.port = manager.discover_master(self._service)
        finally:
            for each in manager.sentinels:
                each.close()
        return super()._connect()  # type: ignore[misc]


class PrimaryConnection(Following, _Primary, Connection):
    """To the primary that Sentinels name, without TLS."""


class TlsPrimaryConnection(Following, _Primary, SSLConnection):
    """To the primary that Sentinels name, with TLS."""


def connection_class(address: BrokerAddress) -> type[Any]:
    """The class of connections to an address; they take its `redis_options`."""
    if address.path:
        return SocketConnection
    if address.sentinels:
        return TlsPrimaryConnection if address.tls else PrimaryConnection
    return TlsConnection if address.tls else PlainConnection


def _shown(command: tuple[Any, ...]) -> str:
    """Name and keys of a command, without a script's text and without values."""
    name, *rest = command
    if str(name).upper() in ("EVAL", "EVALSHA"):
        keys = rest[2 : 2 + int(rest[1])]
    else:
        keys = rest if str(name).upper() in ("BRPOP", "MGET", "DEL", "EXISTS") else rest[:1]
    shown = [str(each.decode(errors="replace") if isinstance(each, bytes) else each) for each in keys[:MOST_KEYS]]
    return " ".join([str(name), *(each[:MOST_CHARACTERS] for each in shown)])
