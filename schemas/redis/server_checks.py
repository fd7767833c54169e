"""What a broker's server is, keeps and encrypts, as checks that `workers start`, `run` and `doctor` share."""

import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from schemas.contract.broker_address import BrokerAddress
from schemas.contract.check import Check, CheckState
from schemas.redis.signing import KEY_FILE_ENV, fleet_key

ONE_SERVER = "standalone"
OLDEST = (6, 2)
# The lease of a run allows for less between hosts, and times of hosts stand side by side in events and rows.
MOST_SKEW_S = 5.0
# A run may add a few MB, and a fleet a few more.
NEARLY_FULL = 0.9


def server_checks(redis: Redis, address: BrokerAddress) -> Iterator[Check]:
    """Version, mode, memory, persistence and encryption. What the user may not ask is passed over.

    RedisError if the server does not answer.
    """
    server = info(redis, "server")
    if server:
        yield version_check(server)
    yield from memory_checks(info(redis, "memory"))
    if persistence := info(redis, "persistence"):
        yield persistence_check(persistence)
    yield encryption_check(address)
    yield signing_check(address)


def info(redis: Redis, section: str) -> dict[str, Any]:
    """A section of `INFO`; empty if the user may not ask."""
    try:
        return dict(redis.info(section))
    except ResponseError:
        return {}


def version_check(server: dict[str, Any]) -> Check:
    """The server's program, and whether it is one server of a version that has all commands."""
    version = str(server.get("redis_version", "0"))
    name = f"{'Valkey' if 'valkey_version' in server else 'Redis'} {server.get('valkey_version', version)}"
    mode = str(server.get("server_mode") or server.get("redis_mode", ONE_SERVER))
    if mode != ONE_SERVER:
        text = f"is a {mode}, but a run keeps its keys on one server; give the URL of a primary without cluster mode"
        return Check(name="version", state=CheckState.FAULT, text=text)
    if tuple(int(part) if part.isdigit() else 0 for part in version.split(".")[:2]) < OLDEST:
        text = f"is {name}; install Redis 6.2 or newer, or Valkey"
        return Check(name="version", state=CheckState.FAULT, text=text)
    return Check(name="version", state=CheckState.OK, text=f"is {name}")


def memory_checks(memory: dict[str, Any]) -> Iterator[Check]:
    """What the server does when its memory is full."""
    policy = str(memory.get("maxmemory_policy", ""))
    if not policy:
        return
    if memory.get("maxmemory") and policy.startswith("allkeys"):
        text = f"removes keys when its memory is full (maxmemory-policy {policy}), queues too; set it to noeviction"
        yield Check(name="memory", state=CheckState.FAULT, text=text)
    elif memory.get("maxmemory") and policy.startswith("volatile"):
        text = (
            f"removes keys that expire, a run's claims and outcomes too, when its memory is full (maxmemory-policy"
            f" {policy}); set it to noeviction"
        )
        yield Check(name="memory", state=CheckState.NOTE, text=text)
    else:
        most = int(memory.get("maxmemory") or 0)
        share = int(memory.get("used_memory", 0)) / most if most else 0.0
        if share >= NEARLY_FULL:
            text = f"uses {share:.0%} of its memory, and takes no work when that is full; raise its maxmemory"
            yield Check(name="memory", state=CheckState.NOTE, text=text)
            return
        limit = f", {share:.0%} of its memory used" if most else ", without a limit"
        yield Check(name="memory", state=CheckState.OK, text=f"removes no key (maxmemory-policy {policy}){limit}")


def persistence_check(persistence: dict[str, Any]) -> Check:
    """What is left after a restart of the server. A run needs nothing of it: its ledger is the truth."""
    for name in ("aof_last_write_status", "rdb_last_bgsave_status"):
        if str(persistence.get(name, "ok")) != "ok":
            text = f"could not write to its disk ({name}); free some space there, and look at its log"
            return Check(name="persistence", state=CheckState.FAULT, text=text)
    if persistence.get("aof_enabled"):
        text = "has an append-only file: after a restart, work that was sent is there"
    else:
        text = (
            "has no append-only file (appendonly no): after a restart, runs send their work again, and no work is lost"
        )
    return Check(name="persistence", state=CheckState.OK, text=text)


def encryption_check(address: BrokerAddress) -> Check:
    """Whether others on the network can read what is sent."""
    if dict(address.tls).get("ssl_cert_reqs") == "none":
        text = (
            "is connected without verification of its certificate (--insecure-tls, or ssl_cert_reqs=none in its URL):"
            " a server between can read all"
        )
        return Check(name="encryption", state=CheckState.NOTE, text=text)
    if address.tls:
        return Check(name="encryption", state=CheckState.OK, text="has a certificate that is verified")
    if _is_local(address):
        return Check(name="encryption", state=CheckState.OK, text="is on this host")
    text = "is connected without encryption: who listens on the network can read passwords and tasks; use rediss://"
    return Check(name="encryption", state=CheckState.NOTE, text=text)


def signing_check(address: BrokerAddress) -> Check:
    """Whether a program that may write to the server can forge messages; RequestError for a key that cannot be used."""
    if key := fleet_key():
        text = f"carries signed messages (key {', '.join(key.names)})"
        return Check(name="signatures", state=CheckState.OK, text=text)
    if _is_local(address):
        return Check(name="signatures", state=CheckState.OK, text="is on this host, and its messages are not signed")
    text = (
        "carries messages that are not signed: who may write there can have work run and forge results; set"
        f" {KEY_FILE_ENV} on every host"
    )
    return Check(name="signatures", state=CheckState.NOTE, text=text)


def clock_check(redis: Redis) -> Check:
    """This host's clock beside the broker's, less half of the round trip. RedisError without a broker."""
    began = time.time()
    seconds, microseconds = redis.time()
    return skew_check((began + time.time()) / 2 - (float(seconds) + float(microseconds) / 1e6))


def skew_check(ahead_s: float) -> Check:
    """A host's clock that is so many seconds ahead of the broker's."""
    if abs(ahead_s) <= MOST_SKEW_S:
        return Check(name="clock", state=CheckState.OK, text=f"is {abs(ahead_s):.1f} s from that of the broker")
    side = "ahead of" if ahead_s > 0 else "behind"
    text = f"is {abs(ahead_s):.0f} s {side} that of the broker; set both by a time server (NTP)"
    return Check(name="clock", state=CheckState.NOTE, text=text)


def _is_local(address: BrokerAddress) -> bool:
    places = address.sentinels or ((address.host, address.port),)
    return bool(address.path) or all(_is_here(host) for host, _ in places)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
