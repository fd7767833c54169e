"""Whether a user may do on a server what a role needs: each command is tried, on keys that expire."""

import secrets
from collections.abc import Container, Iterator, Mapping
from typing import Any

from redis import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from schemas.contract.broker_address import BrokerAddress
from schemas.contract.check import Check, CheckState
from schemas.redis.acl import ORDERS, Role
from schemas.redis.keys import check_key, telemetry_channel
from schemas.redis.writes import refused_write

EXPIRY_S, ANSWER_S = 10, 3.0


def rights_checks(redis: Redis, address: BrokerAddress, role: Role) -> Iterator[Check]:
    """What a user lacks for a role, one fault each; one line if it lacks nothing. RedisError without an answer."""
    lacks = list(_refused_commands(redis, role.commands, has_login=bool(address.username or address.password)))
    if "psubscribe" in role.commands:
        lacks += _refused_channels(redis, address.database)
    yield from (Check(name="rights", state=CheckState.FAULT, text=each) for each in lacks)
    if not lacks:
        text = f"allows the {len(role.commands)} commands that a run uses"
        yield Check(name="rights", state=CheckState.OK, text=text)


def _calls(keys: Mapping[str, str], token: str) -> tuple[tuple[Any, ...], ...]:
    """Every command that is tried, on a key of its kind."""
    return (
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
        ("RPOP", keys["list"], 1),
        ("HSET", keys["hash"], "1", "1"),
        ("HGET", keys["hash"], "1"),
        ("HGETALL", keys["hash"]),
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


def _refused_commands(redis: Any, commands: Container[str], *, has_login: bool) -> Iterator[str]:
    """Try each of these commands that needs no other before it, on keys that expire."""
    token = secrets.token_hex(8)
    keys = {kind: check_key(token, kind) for kind in ("string", "list", "hash", "set", "zset", "stream")}
    calls = tuple(call for call in _calls(keys, token) if call[0].lower() in commands)
    with redis.pipeline(transaction=False) as pipe:
        for call in calls:
            pipe.execute_command(*call)
        replies = pipe.execute(raise_on_error=False)
    errors = [(call[0], reply) for call, reply in zip(calls, replies, strict=True) if isinstance(reply, RedisError)]
    yield from dict.fromkeys(f"takes no work: {why}" for _, error in errors if (why := refused_write(error)))
    yield from dict.fromkeys(_channels(error) for _, error in errors if "channel" in str(error))
    errors = [each for each in errors if not refused_write(each[1]) and "channel" not in str(each[1])]
    names = [name for name, error in errors if isinstance(error, NoPermissionError)]
    if names and not has_login:
        yield "does not let a client without a login work; give a user and a password: redis://USER:PASSWORD@HOST"
        return
    if names:
        allowed = " ".join(f"+{name.lower()}" for name in names)
        yield f"does not allow {', '.join(names)} to this user; add {allowed} to its ACL: see `orchestrator acl`"
    for name, error in errors:
        if name not in names:
            yield f"lacks {name} ({error}); Redis 6.2 or newer, or Valkey, has it"
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
            channel.psubscribe(ORDERS.format(database=database))
            channel.get_message(timeout=ANSWER_S)
        except ResponseError as error:
            yield _channels(error)


def _channels(error: RedisError) -> str:
    if "command" in str(error):
        return (
            "does not allow PSUBSCRIBE to this user; add +subscribe +unsubscribe +psubscribe +punsubscribe to its ACL"
        )
    return f"does not allow this user its channels ({error}); run: ACL SETUSER NAME allchannels"
