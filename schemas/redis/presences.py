"""Heartbeats of devices, reservations of devices by runs, and cordons, in Redis."""

from collections.abc import Callable, Collection
from typing import Any

from redis import Redis

from schemas.contract.presence import PRESENCE_EXPIRY_S, Presence
from schemas.contract.received import UnreadableError, received
from schemas.redis.keys import CORDONED, DEAD_LETTER_COUNTS, DEAD_LETTERS, DEVICES, PRESENCES, alone_key, is_taken
from schemas.redis.script import BEAT, PRESENT_DEVICES, SIGN_OFF, Command, send
from schemas.redis.signing import FleetKey, Kind, fleet_key

MOST_DEVICES, MOST_HEARTBEAT_BYTES = 10_000, 2**20
# A signed heartbeat that was kept for longer and stored again does not count; the slowest link takes less.
STALE_S = 15.0

# Called with a device, the reason and the body of a heartbeat that cannot be read.
OnUnreadable = Callable[[str, str, bytes], None]


def _ignore(device: str, reason: str, body: bytes) -> None:
    """Default: passes over heartbeats that cannot be read."""


def beat(redis: Redis, presence: Presence, expiry_s: float = PRESENCE_EXPIRY_S) -> float:
    """Store a device's heartbeat for `expiry_s`; returns the server's Unix time. RedisError without a broker."""
    return int(send(redis, beating(presence, expiry_s))) / 1000


def beating(presence: Presence, expiry_s: float) -> Command:
    """The command of `beat`, signed; its reply is the server's time in milliseconds."""
    keys = [DEVICES, PRESENCES, DEAD_LETTERS, DEAD_LETTER_COUNTS]
    signed = fleet_key().sign(Kind.HEARTBEAT, presence.device.name, presence.model_dump_json().encode())
    return BEAT.command(keys, [presence.device.name, signed, int(expiry_s * 1000)])


def sign_off(redis: Redis, device: str) -> None:
    """Remove a device's heartbeat; RedisError without a broker."""
    send(redis, signing_off(device))


def signing_off(device: str) -> Command:
    """The command of `sign_off`."""
    return SIGN_OFF.command([DEVICES, PRESENCES], [device])


def read_presences(
    redis: Redis, on_unreadable: OnUnreadable = _ignore, parsed: dict[bytes, Presence] | None = None,
    key: FleetKey | None = None,
) -> dict[str, Presence]:  # fmt: skip
    """Every live device by name, in order of names; one round trip, however many keys the broker holds.

    With a `key`, by default that of the environment, a heartbeat counts only if it is signed and was sent of late.
    `parsed` keeps the heartbeats of the last read, by body: those which are still the same are not parsed again.
    """
    key = fleet_key() if key is None else key
    now_ms, *reply = PRESENT_DEVICES.run(redis, [DEVICES, PRESENCES], [MOST_DEVICES, MOST_HEARTBEAT_BYTES + 1])
    found: dict[str, Presence] = {}
    before, parsed = dict(parsed or {}), {} if parsed is None else parsed
    parsed.clear()
    for device, body in zip(reply[::2], reply[1::2], strict=True):
        try:
            presence = parsed[body] = before.get(body) or _opened(device, body, key)
            if presence.device.name.encode() != device:
                raise UnreadableError(f"it is of device {presence.device.name}")
            if key and abs(age_s := now_ms / 1000 - presence.sent_s) > STALE_S:
                raise UnreadableError(f"it was sent {age_s:.0f} s ago, by the clock of the broker")
            if is_taken(presence.device.name):
                raise UnreadableError("a device of that name would have another key as its queue")
            found[presence.device.name] = presence
        except UnreadableError as error:
            on_unreadable(device.decode(errors="backslashreplace"), str(error), body)
    return dict(sorted(found.items()))


def _opened(device: bytes, body: bytes, key: FleetKey) -> Presence:
    place = device.decode(errors="backslashreplace")
    return received(Presence, key.open(Kind.HEARTBEAT, place, body), MOST_HEARTBEAT_BYTES)


def reserve(redis: Redis, device: str, run_id: str) -> None:
    """Keep a device free for a run's work that must be alone on it, for as long as a heartbeat is valid."""
    redis.set(alone_key(device), run_id, px=int(PRESENCE_EXPIRY_S * 1000))


def release(redis: Redis, device: str) -> None:
    """End the reservation of a device."""
    redis.delete(alone_key(device))


def read_standing(redis: Redis, devices: Collection[str]) -> tuple[dict[str, str], set[str]]:
    """The run that has reserved each of these devices, if one has, and all devices that are cordoned."""
    names = sorted(devices)
    with redis.pipeline(transaction=False) as pipe:
        if names:
            pipe.mget([alone_key(name) for name in names])
        pipe.smembers(CORDONED)
        *found, cordoned = pipe.execute(raise_on_error=False)
    values: list[Any] = found[0] if found else []
    if isinstance(values, Exception):
        raise values
    reserved = {
        name: value.decode(errors="backslashreplace")
        for name, value in zip(names, values, strict=True)
        if value is not None
    }
    if isinstance(cordoned, Exception):
        if "WRONGTYPE" not in str(cordoned):
            raise cordoned
        cordoned = ()  # the run that looks next removes it
    return reserved, {each.decode(errors="backslashreplace") for each in cordoned}


def cordon(redis: Redis, devices: Collection[str]) -> None:
    """Keep devices from getting work of any run: they finish what they run, and what waits there goes elsewhere."""
    redis.sadd(CORDONED, *devices)


def uncordon(redis: Redis, devices: Collection[str]) -> None:
    """Let devices get work again."""
    redis.srem(CORDONED, *devices)
