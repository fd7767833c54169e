"""Heartbeats of a fleet whose devices are in every state."""

from datetime import UTC, datetime, timedelta

from redis import Redis

from schemas.contract.device import Device, DeviceKind
from schemas.contract.presence import Presence
from schemas.contract.versions import artifact_versions
from schemas.redis.dead_letters import Place, set_aside
from schemas.redis.presences import beat, cordon

EXPIRY_S = 3600.0
UP = timedelta(hours=2, minutes=30)


def heartbeat(name: str, kind: DeviceKind = DeviceKind.CPU, **facts: object) -> Presence:
    """A heartbeat of a device of two slots and of this version."""
    device = Device(name=name, kind=kind, slots=2)
    presence = Presence(device=device, host="alpha", pid=1, since=datetime.now(UTC) - UP, versions=artifact_versions())
    return presence.model_copy(update=facts)


def send_heartbeats(redis: Redis) -> None:
    """One device works, one is free, one drains, one has another version; one is cordoned and away; a dead letter."""
    work = tuple(f"nightly/{role}/{symbol}_2024-01-01_to_2024-04-30/1" for role, symbol in (
        ("teacher", "M&M"), ("student", "BAJAJ-AUTO"), ("teacher", "^GSPC"),
    ))  # fmt: skip
    other = artifact_versions() | {"xgboost": "1.7.6"}
    for presence in (
        heartbeat("cpu0@alpha", held=work, running=work[:2], done=1234, rate=3.5, utilisation=0.93, memory_mib=512.0),
        heartbeat("cpu1@alpha"),
        heartbeat("gpu0@beta", DeviceKind.GPU, draining=True, utilisation=0.4, memory_mib=9000.0,
                  memory_total_mib=81559.0, distance_s=0.12),
        heartbeat("gpu1@beta", DeviceKind.GPU, versions=other),
    ):  # fmt: skip
        beat(redis, presence, EXPIRY_S)
    cordon(redis, ["gpu2@beta"])
    set_aside(redis, Place.QUEUE, "cpu0@alpha", "its id is not that of its work", b"{}")
