"""Connections to a broker that follow its primary, and name the command that its user may not send."""

from typing import Any

from redis import Connection, SSLConnection
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoPermissionError, ResponseError

from schemas.redis.writes import refused_write

# What servers answer if a script sends what its user may not send.
REFUSED_SCRIPTS = ("ACL failure in script", "The user executing the script can't")
MOST_KEYS, MOST_CHARACTERS = 4, 60


class Following:
    """Takes a refused write for a lost connection: the address may name another server by now.

    A refused command is named, with its first keys; redis-py itself names those of pipelines.
    """

    _sent: tuple[Any, ...] = ()

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


def _shown(command: tuple[Any, ...]) -> str:
    """Name and keys of a command, without a script's text and without values."""
    name, *rest = command
    if str(name).upper() in ("EVAL", "EVALSHA"):
        keys = rest[2 : 2 + int(rest[1])]
    else:
        keys = rest if str(name).upper() in ("BRPOP", "MGET", "DEL", "EXISTS") else rest[:1]
    shown = [str(each.decode(errors="replace") if isinstance(each, bytes) else each) for each in keys[:MOST_KEYS]]
    return " ".join([str(name), *(each[:MOST_CHARACTERS] for each in shown)])
