"""Loads and runs the Lua scripts of `schemas/redis/scripts`."""

# mypy: disallow-untyped-calls=False

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

from redis import Redis

FOLDER = "schemas.redis.scripts"

Argument = str | bytes | int
Command = tuple[Argument, ...]


@dataclass(frozen=True)
class Script:
    """One script, called with exactly `keys` KEYS and `arguments` ARGV; `library` names a file that goes before it.

    Its source travels with each call (3 kB at most), so a server that was restarted needs no second round trip.
    """

    name: str
    keys: int
    arguments: int
    library: str | None = None

    @cached_property
    def source(self) -> str:
        """The Lua text that the server runs."""
        return "".join(_read(name) for name in (self.library, self.name) if name is not None)

    def command(self, keys: Sequence[str], arguments: Sequence[Argument] = ()) -> Command:
        """The command that runs the script; ValueError if the number of keys or arguments is wrong."""
        if (len(keys), len(arguments)) != (self.keys, self.arguments):
            raise ValueError(f"script {self.name} takes {self.keys} keys and {self.arguments} arguments")
        return ("EVAL", self.source, len(keys), *keys, *arguments)

    def run(self, redis: Redis, keys: Sequence[str], arguments: Sequence[Argument] = ()) -> Any:
        """The script's reply; ValueError as in `command`, RedisError without a broker."""
        return send(redis, self.command(keys, arguments))


def send(redis: Redis, command: Command) -> Any:
    """The reply to a command; RedisError without a broker."""
    return redis.execute_command(*command)


def _read(name: str) -> str:
    return files(FOLDER).joinpath(f"{name}.lua").read_text(encoding="utf-8")


EMIT = Script("emit", keys=2, arguments=4, library="emit_event")
CONTINUE_NUMBERING = Script("continue_numbering", keys=1, arguments=1)
CLAIM = Script("claim", keys=3, arguments=7, library="emit_event")
GIVE_BACK = Script("give_back", keys=1, arguments=3)
RECALL = Script("recall", keys=1, arguments=2)
REPORT = Script("report", keys=4, arguments=3, library="dead_letter")
BEAT = Script("beat", keys=4, arguments=3, library="dead_letter")
PRESENT_DEVICES = Script("present_devices", keys=2, arguments=2)
SIGN_OFF = Script("sign_off", keys=2, arguments=1)
TAKE_NAME = Script("take_name", keys=1, arguments=3)
TAKE_SLOT = Script("take_slot", keys=1, arguments=1)
READ_STREAM = Script("read_stream", keys=1, arguments=4)
READ_QUEUE = Script("read_queue", keys=1, arguments=2)
LAST_ENTRY = Script("last_entry", keys=1, arguments=0)
SET_ASIDE = Script("set_aside", keys=2, arguments=4, library="dead_letter")
SHARE = Script("share", keys=3, arguments=4, library="dead_letter")
HEAL = Script("heal", keys=2, arguments=1, library="dead_letter")

SCRIPTS = (
    EMIT, CONTINUE_NUMBERING, CLAIM, GIVE_BACK, RECALL, REPORT, BEAT, PRESENT_DEVICES, SIGN_OFF, TAKE_NAME,
    TAKE_SLOT, READ_STREAM, READ_QUEUE, LAST_ENTRY, SET_ASIDE, SHARE, HEAL,
)  # fmt: skip
