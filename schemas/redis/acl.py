"""What each role of the project may do on a server with an access control list: commands, keys and channels.

A script runs with the rights of its caller, so its commands count as the caller's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.redis import keys

QUEUES = ("cpu*@*", "gpu*@*")
# Celery's channels of a database: orders to workers, and what its workers report to Flower. A pattern is subscribed to
# only by a user who has the very same pattern.
ORDERS, CELERY_EVENTS = "/{database}.celery.pidbox", "/{database}.celeryev/*"
# Where Celery looks up a mailbox, and the queue of answers to a question of Flower.
MAILBOXES = ("_kombu.binding*", "*.reply.celery.pidbox*")
# Queues of Flower's own, and Celery's default one, which it counts; their names end in a priority. It restores what
# other Celery programs have not acknowledged; here nothing is there.
FLOWER_QUEUES = ("celeryev.*", "celery*", "unacked*")
CONNECT = ("ping", "select")
SCRIPTS = ("eval", "type", "time")
TRANSACTIONS = ("multi", "exec")
SUBSCRIBE = ("subscribe", "unsubscribe", "psubscribe", "punsubscribe")

# What sets a dead letter aside, removes a key of another type, emits an event, and tries a write.
_DEAD_LETTERS = ("lpush", "ltrim", "hincrby", "hset", "expire", "getrange", "del")
_EMIT = ("incr", "xadd", "expire", "publish")
_TRY = ("set", "del")


@dataclass(frozen=True)
class Role:
    """The rights of a user, and what it is for."""

    purpose: str
    commands: tuple[str, ...]
    keys: tuple[str, ...]
    channels: tuple[str, ...]

    def rules(self, database: int) -> list[str]:
        """The rules as a server reads them; those of channels hold for one database."""
        channels = [each.format(database=database) for each in self.channels]
        patterns = [f"~{key}" for key in self.keys] + [f"&{channel}" for channel in channels]
        return ["resetkeys", "resetchannels", *patterns, "-@all", *(f"+{name}" for name in self.commands)]

    def __or__(self, other: "Role") -> "Role":
        """A user with the rights of both."""
        return Role(
            f"{self.purpose}; {other.purpose}",
            _union(self.commands, other.commands),
            _union(self.keys, other.keys),
            _union(self.channels, other.channels),
        )


def _union(*parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in part))


_TELEMETRY = keys.telemetry_channel("*")
_RUN_KEYS = tuple(
    make("*") for make in (keys.attempts_key, keys.outcomes_stream, keys.events_stream, keys.sequence_key)
)
_SHARED_KEYS = (keys.DEVICES, keys.PRESENCES, keys.DEAD_LETTERS, keys.DEAD_LETTER_COUNTS, keys.check_key("*", "*"))

ORCHESTRATOR = Role(
    "plans and runs, and orders workers",
    _union(
        CONNECT, SCRIPTS, TRANSACTIONS, _DEAD_LETTERS, _EMIT, _TRY,
        ("get", "mget", "exists", "hget", "hmget", "hdel", "zrangebyscore", "lrange", "llen", "lrem", "xread",
         "xrevrange", "xtrim", "smembers", "sadd", "srem", "info", "hlen", "hgetall", "pexpire"),
    ),
    _union(
        QUEUES, _RUN_KEYS, _SHARED_KEYS,
        (keys.CORDONED, keys.SHARES, keys.alone_key("*"), keys.run_id_owner_key("*"), keys.cancel_key("*")),
    ),
    (_TELEMETRY, ORDERS),
)  # fmt: skip
WORKER = Role(
    "serves devices",
    _union(
        CONNECT, SCRIPTS, TRANSACTIONS, _DEAD_LETTERS, _EMIT, _TRY, SUBSCRIBE,
        ("get", "exists", "llen", "brpop", "rpop", "hget", "hdel", "zadd", "zrem", "zrangebyscore", "pttl", "pexpire",
         "smembers", "srem", "info"),
    ),
    _union(
        QUEUES, _RUN_KEYS, _SHARED_KEYS,
        (keys.CORDONED, keys.pace_key("*"), keys.served_key("*"), *MAILBOXES),
    ),
    (_TELEMETRY, ORDERS, CELERY_EVENTS),
)  # fmt: skip
VIEWER = Role(
    "follows runs and devices: watch, fleet, metrics, dashboard; changes nothing",
    _union(
        CONNECT, SCRIPTS, SUBSCRIBE,
        ("exists", "scan", "hget", "hmget", "zrangebyscore", "lrange", "llen", "xread", "xrevrange", "smembers",
         "mget", "hlen", "hgetall"),
    ),
    _union(
        QUEUES,
        (keys.events_stream("*"), keys.DEVICES, keys.PRESENCES, keys.CORDONED, keys.SHARES, keys.DEAD_LETTERS,
         keys.DEAD_LETTER_COUNTS, keys.alone_key("*")),
    ),
    (_TELEMETRY,),
)  # fmt: skip

FLOWER = Role(
    "shows Celery's workers and tasks, and asks workers for reports",
    _union(
        CONNECT, TRANSACTIONS, SUBSCRIBE,
        ("evalsha", "script|load", "script|exists", "time", "get", "set", "llen", "brpop", "lpush", "del", "exists",
         "expire", "smembers", "sadd", "srem", "zadd", "zrange", "zrangebyscore", "zrem", "publish", "info",
         "client|list"),
    ),
    _union(QUEUES, MAILBOXES, FLOWER_QUEUES),
    (ORDERS, CELERY_EVENTS),
)  # fmt: skip

ROLES: Mapping[str, Role] = {
    "gurukul": ORCHESTRATOR | WORKER,
    "gurukul-orchestrator": ORCHESTRATOR,
    "gurukul-worker": WORKER,
    "gurukul-viewer": VIEWER,
    "gurukul-flower": FLOWER,
}
