"""What a run needs of its broker, asked in one look before the run opens: commands, channels, clients, memory."""

import secrets
from collections.abc import Container, Iterable, Iterator
from typing import Any

from redis import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from orchestrator.broker.embedded import CHECK_S, check
from schemas.contract.broker_address import BrokerAddress, public_url
from schemas.contract.device import Device
from schemas.contract.errors import RequestError
from schemas.redis.acl import ORCHESTRATOR, WORKER
from schemas.redis.client import address_of, connect
from schemas.redis.keys import check_key, telemetry_channel
from schemas.redis.writes import refused_write, trouble

# Connections, measured: of a run's orchestrator, of each device's worker, of each of its slots.
CLIENTS_OF_RUN, CLIENTS_PER_DEVICE, CLIENTS_PER_SLOT = 4, 7, 1
EXPIRY_S = 10
ONE_SERVER = "standalone"


def check_for_run(url: str, devices: Iterable[Device]) -> tuple[str, ...]:
    """Sentences on what may go wrong on a broker that has all that a run needs.

    RequestError names the first thing that a run on `url`, with local workers on `devices`, would lack there.
    """
    check(url)
    risks: tuple[str, ...] = ()
    try:
        with connect(url, timeout_s=CHECK_S) as redis:
            lacks = next(_lacks(redis, address_of(url).database, tuple(devices)), None)
            risks = tuple(f"broker {public_url(url)} {each}" for each in _risks(redis, address_of(url)))
    except RedisError as error:
        lacks = trouble(error)
    if lacks is not None:
        raise RequestError(f"broker {public_url(url)} {lacks}")
    return risks


def _risks(redis: Redis, address: BrokerAddress) -> Iterator[str]:
    memory = _info(redis, "memory")
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if memory.get("maxmemory") and policy.startswith("volatile"):
        yield (
            f"removes keys that expire, a run's claims and outcomes too, when its memory is full (maxmemory-policy"
            f" {policy}); set it to noeviction"
        )
    if dict(address.tls).get("ssl_cert_reqs") == "none":
        yield "is connected without verification of its certificate (ssl_cert_reqs=none): a server between can read all"


def _lacks(redis: Redis, database: int, devices: tuple[Device, ...]) -> Iterator[str]:
    """What a run would lack; the questions about settings are passed over where the user may not ask them."""
    server = _info(redis, "server")
    if (mode := str(server.get("server_mode") or server.get("redis_mode", ONE_SERVER))) != ONE_SERVER:
        yield f"is a {mode}, but a run keeps its keys on one server; give the URL of a primary without cluster mode"
    yield from _refused_commands(redis, (ORCHESTRATOR | WORKER if devices else ORCHESTRATOR).commands)
    if devices:
        yield from _refused_channels(redis, database)
    memory, clients = _info(redis, "memory"), _info(redis, "clients")
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if memory.get("maxmemory") and policy.startswith("allkeys"):
        yield f"removes keys when its memory is full (maxmemory-policy {policy}), queues too; set it to noeviction"
    needed = CLIENTS_OF_RUN + sum(CLIENTS_PER_DEVICE + CLIENTS_PER_SLOT * device.slots for device in devices)
    limit, used = clients.get("maxclients"), int(clients.get("connected_clients", 0))
    if limit is not None and used + needed > int(limit):
        yield (
            f"allows {limit} clients (maxclients), of which {used} are connected; this run needs {needed}: raise"
            " maxclients, or use fewer --devices"
        )


def _refused_commands(redis: Any, commands: Container[str]) -> Iterator[str]:
    """Try each of these commands that needs no other before it, on keys that expire."""
    token = secrets.token_hex(8)
    keys = {kind: check_key(token, kind) for kind in ("string", "list", "hash", "set", "zset", "stream")}
    calls: tuple[tuple[Any, ...], ...] = (
        ("SET", keys["string"], "1", "EX", EXPIRY_S),
        ("GET", keys["string"]),
        ("MGET", keys["string"]),
        ("INCR", keys["string"]),
        ("GETRANGE", keys["string"], 0, 1),
        ("TYPE", keys["string"]),
        ("PTTL", keys["string"]),
        ("PEXPIRE", keys["string"], EXPIRY_S * 1000),
        ("EXISTS", keys["string"]),
        ("LPUSH", keys["list"], "1", "2"),
        ("LRANGE", keys["list"], 0, -1),
        ("LLEN", keys["list"]),
        ("LTRIM", keys["list"], 0, 9),
        ("LREM", keys["list"], 0, "1"),
        ("BRPOP", keys["list"], 1),
        ("HSET", keys["hash"], "1", "1"),
        ("HGET", keys["hash"], "1"),
        ("HDEL", keys["hash"], "1"),
        ("HINCRBY", keys["hash"], "1", 1),
        ("HMGET", keys["hash"], "1"),
        ("SADD", keys["set"], "1"),
        ("SMEMBERS", keys["set"]),
        ("SREM", keys["set"], "1"),
        ("ZADD", keys["zset"], "GT", 1, "1"),
        ("ZRANGEBYSCORE", keys["zset"], 0, 1),
        ("ZREM", keys["zset"], "1"),
        ("XADD", keys["stream"], "*", "1", "1"),
        ("XREAD", "STREAMS", keys["stream"], "0"),
        ("XREVRANGE", keys["stream"], "+", "-", "COUNT", 1),
        ("EXPIRE", keys["stream"], EXPIRY_S),
        ("EVAL", "return 1", 1, keys["string"]),
        ("TIME",),
        ("PUBLISH", telemetry_channel(token), "1"),
        ("DEL", *keys.values()),
    )
    calls = tuple(call for call in calls if call[0].lower() in commands)
    with redis.pipeline(transaction=False) as pipe:
        for call in calls:
            pipe.execute_command(*call)
        replies = pipe.execute(raise_on_error=False)
    errors = [(call[0], reply) for call, reply in zip(calls, replies, strict=True) if isinstance(reply, RedisError)]
    yield from (f"takes no work: {why}" for _, error in errors if (why := refused_write(error)) is not None)
    yield from (_channels(error) for _, error in errors if "channel" in str(error))
    if names := [name for name, error in errors if isinstance(error, NoPermissionError)]:
        allowed = " ".join(f"+{name.lower()}" for name in names)
        refused = f"does not allow {', '.join(names)} to this user"
        yield f"{refused}; add {allowed} to its ACL: `orchestrator acl` prints all rules"
    yield from (f"lacks {name} ({error}); Redis 6.2 or newer, or Valkey, has it" for name, error in errors)
    with redis.pipeline(transaction=True) as pipe:
        try:
            pipe.execute_command("EXISTS", keys["string"])
            pipe.execute()
        except ResponseError as error:
            yield f"refuses transactions ({error}); add +multi +exec to its ACL"


def _refused_channels(redis: Any, database: int) -> Iterator[str]:
    """Subscribe as Celery's workers do, to orders for them."""
    with redis.pubsub() as channel:
        try:
            channel.psubscribe(f"/{database}.celery.pidbox")
            channel.get_message(timeout=CHECK_S)
        except ResponseError as error:
            yield _channels(error)


def _channels(error: RedisError) -> str:
    if "command" in str(error):
        return (
            "does not allow PSUBSCRIBE to this user; add +subscribe +unsubscribe +psubscribe +punsubscribe to its ACL"
        )
    return f"does not allow this user its channels ({error}); run: ACL SETUSER NAME allchannels"


def _info(redis: Redis, section: str) -> dict[str, Any]:
    try:
        return dict(redis.info(section))
    except ResponseError:
        return {}
