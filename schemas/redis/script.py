"""Loads and runs the Lua scripts of `schemas/redis/scripts`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

from redis import Redis

FOLDER = "schemas.redis.scripts"


@dataclass(frozen=True)
class Script:
    """One script, called with exactly `keys` KEYS and `arguments` ARGV; `library` names a file that goes before it.

    Its source travels with each call (1 kB at most), so a server that was restarted needs no second round trip.
    """

    name: str
    keys: int
    arguments: int
    library: str | None = None

    @cached_property
    def source(self) -> str:
        """The Lua text that the server runs."""
        return "".join(_read(name) for name in (self.library, self.name) if name is not None)

    def run(self, redis: Redis, keys: Sequence[str], arguments: Sequence[str | int] = ()) -> Any:
        """The script's reply; ValueError if the number of keys or arguments is wrong, RedisError without a broker."""
        if (len(keys), len(arguments)) != (self.keys, self.arguments):
            raise ValueError(f"script {self.name} takes {self.keys} keys and {self.arguments} arguments")
        return redis.eval(self.source, len(keys), *keys, *map(str, arguments))


def _read(name: str) -> str:
    return files(FOLDER).joinpath(f"{name}.lua").read_text(encoding="utf-8")


EMIT = Script("emit", keys=2, arguments=4, library="emit_event")
CONTINUE_NUMBERING = Script("continue_numbering", keys=1, arguments=1)
CLAIM = Script("claim", keys=3, arguments=7, library="emit_event")
RECALL = Script("recall", keys=1, arguments=2)
REPORT = Script("report", keys=2, arguments=3)
BEAT = Script("beat", keys=2, arguments=3)
PRESENT_DEVICES = Script("present_devices", keys=2, arguments=0)
SIGN_OFF = Script("sign_off", keys=2, arguments=1)
TAKE_SLOT = Script("take_slot", keys=1, arguments=1)

SCRIPTS = (EMIT, CONTINUE_NUMBERING, CLAIM, RECALL, REPORT, BEAT, PRESENT_DEVICES, SIGN_OFF, TAKE_SLOT)
