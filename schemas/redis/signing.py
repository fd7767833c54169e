"""Signatures of a fleet's messages: a program that may write to the broker and lacks the fleet's key can forge none.

A signed message is its HMAC-SHA256 in 64 hexadecimal digits, a space, and the body. The HMAC covers what kind of
message it is and where it belongs: the queue of a task, the device of a heartbeat, the run of an outcome, the attempt
of a claim. So a message that was copied to another place does not count.
"""

import hmac
import os
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Self

from schemas.contract.errors import RequestError
from schemas.contract.received import UnreadableError
from schemas.redis.private_file import read_private

KEY_ENV, KEY_FILE_ENV = "GURUKUL_KEY", "GURUKUL_KEY_FILE"
LEAST_CHARACTERS, MOST_KEYS = 32, 2

NOT_SIGNED = f"it is not signed; its sender needs the fleet's {KEY_FILE_ENV}"
WRONG = f"its signature is of another key, or was copied; its sender needs the fleet's {KEY_FILE_ENV}"

_SIGNED = re.compile(rb"[0-9a-f]{64} ")


class Kind(StrEnum):
    """Kinds of messages that are signed."""

    TASK = "task"
    ORDER = "order"
    OUTCOME = "outcome"
    HEARTBEAT = "heartbeat"
    CANCEL = "cancel"
    CLAIM = "claim"
    NAME = "name"


@dataclass(frozen=True, repr=False)
class FleetKey:
    """The keys that a fleet's programs share: the first signs, each is accepted. Without any, nothing is signed."""

    keys: tuple[bytes, ...] = ()

    @classmethod
    def generate(cls) -> Self:
        """A new key, for a fleet that ends with this process."""
        return cls((secrets.token_hex(32).encode(),))

    @classmethod
    def parse(cls, text: str, source: str) -> Self:
        """The keys in `text`, apart by white space; RequestError names `source`, and repeats nothing of the text."""
        found = text.split()
        if not found or len(found) > MOST_KEYS or any(len(each) < LEAST_CHARACTERS for each in found):
            raise RequestError(
                f"{source} must hold a key of {LEAST_CHARACTERS} characters or more, or two, of which the first signs;"
                " make one: openssl rand -hex 32"
            )
        return cls(tuple(each.encode() for each in found))

    def __repr__(self) -> str:
        """The names alone; kombu shares connections whose options have equal texts."""
        return f"FleetKey({', '.join(self.names)})"

    def __bool__(self) -> bool:
        return bool(self.keys)

    @property
    def names(self) -> tuple[str, ...]:
        """A name of each key, which reveals nothing of it."""
        return tuple(_mac(each, "name", "", b"").decode()[:12] for each in self.keys)

    def environment(self) -> dict[str, str]:
        """The variable that gives a child process these keys."""
        return {KEY_ENV: b" ".join(self.keys).decode()} if self.keys else {}

    def sign(self, kind: Kind, place: str, body: bytes) -> bytes:
        """The message; without a key the body itself."""
        return _mac(self.keys[0], kind, place, body) + b" " + body if self.keys else body

    def open(self, kind: Kind, place: str, message: bytes) -> bytes:
        """The body of a message; UnreadableError if no key has signed it. Without a key any message is accepted."""
        is_signed = _SIGNED.match(message)
        body = message[is_signed.end() :] if is_signed else message
        if self.keys and not is_signed:
            raise UnreadableError(NOT_SIGNED)
        macs = (_mac(each, kind, place, body) for each in self.keys)
        if self.keys and not any(hmac.compare_digest(mac, message[:64]) for mac in macs):
            raise UnreadableError(WRONG)
        return body


NO_KEY = FleetKey()


def fleet_key() -> FleetKey:
    """The keys that the environment names, itself or by a file; RequestError if they cannot be used."""
    return _of(os.environ.get(KEY_ENV, ""), os.environ.get(KEY_FILE_ENV, ""))


@lru_cache(maxsize=4)
def _of(text: str, path: str) -> FleetKey:
    if text and path:
        raise RequestError(f"{KEY_ENV} and {KEY_FILE_ENV} exclude each other; set one")
    if path:
        return FleetKey.parse(read_private(path, "key file", KEY_FILE_ENV), f"key file {path}")
    return FleetKey.parse(text, KEY_ENV) if text else NO_KEY


def _mac(key: bytes, kind: str, place: str, body: bytes) -> bytes:
    return hmac.digest(key, b"\0".join((kind.encode(), place.encode(), body)), "sha256").hex().encode()
