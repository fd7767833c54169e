"""Heartbeats of devices, and reservations of devices by runs, in Redis."""

from collections.abc import Collection
from typing import Any

from redis import Redis

from schemas.contract.presence import PRESENCE_EXPIRY_S, Presence
from schemas.redis.keys import DEVICES, PRESENCES, alone_key
from schemas.redis.script import BEAT, PRESENT_DEVICES, SIGN_OFF


def beat(redis: Redis, presence: Presence, expiry_s: float = PRESENCE_EXPIRY_S) -> None:
    """Store a device's heartbeat for `expiry_s`; RedisError without a broker."""
    body = presence.model_dump_json()
    BEAT.run(redis, [DEVICES, PRESENCES], [presence.device.name, body, int(expiry_s * 1000)])


def sign_off(redis: Redis, device: str) -> None:
    """Remove a device's heartbeat; RedisError without a broker."""
    SIGN_OFF.run(redis, [DEVICES, PRESENCES], [device])


def read_presences(redis: Redis) -> dict[str, Presence]:
    """Every live device by name, in order of names; one round trip, however many keys the broker holds."""
    bodies = PRESENT_DEVICES.run(redis, [DEVICES, PRESENCES])[1::2]
    found = [Presence.model_validate_json(body) for body in bodies]
    return {presence.device.name: presence for presence in sorted(found, key=lambda each: each.device.name)}


def reserve(redis: Redis, device: str, run_id: str) -> None:
    """Keep a device free for a run's work that must be alone on it, for as long as a heartbeat is valid."""
    redis.set(alone_key(device), run_id, px=int(PRESENCE_EXPIRY_S * 1000))


def release(redis: Redis, device: str) -> None:
    """End the reservation of a device."""
    redis.delete(alone_key(device))


def read_reservations(redis: Redis, devices: Collection[str]) -> dict[str, str]:
    """The run that has reserved each of these devices; devices without a reservation are left out."""
    names = sorted(devices)
    values: list[Any] = redis.mget([alone_key(name) for name in names]) if names else []
    return {name: value.decode() for name, value in zip(names, values, strict=True) if value is not None}
