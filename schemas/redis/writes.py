"""What a broker that answers does not accept, in words, and a try of a write."""

from redis import Redis
from redis.exceptions import NoPermissionError

from schemas.redis.answers import meaning
from schemas.redis.keys import check_key

KEPT_S = 10

# What a broker answers if it takes no write, and what to do about it.
REFUSED_WRITES = {
    "OOM": "its memory is full; raise its maxmemory, or remove what is no longer needed",
    "READONLY": "it is a read-only replica; give the URL of the primary",
    "UNBLOCKED": "it has become a replica; give the URL of the primary",
    "MASTERDOWN": "it is a replica that has lost its primary; give the URL of the primary",
    "MISCONF": "it cannot write to its own disk; free some space there, and look at its log",
    "NOREPLICAS": "it has too few replicas to take writes; start them, or lower its min-replicas-to-write",
}


def refused_write(error: BaseException) -> str | None:
    """Why a broker that answers takes no write, and what to do; None for any other error."""
    if error.__cause__ is not None:
        return refused_write(error.__cause__)
    text = str(error)
    kind = type(error).__name__.removesuffix("Error").upper().replace("OUTOFMEMORY", "OOM")
    return next((why for code, why in REFUSED_WRITES.items() if text.startswith(code) or kind == code), None)


def trouble(error: BaseException) -> str:
    """What the broker that raised `error` does not do, and the remedy: it continues "the broker"."""
    if (why := refused_write(error)) is not None:
        return f"takes no work: {why}"
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if (known := meaning(text)) is not None:
        return known
    if isinstance(error, NoPermissionError):
        return f"refuses a command to its user ({text}); give the user the rules that `orchestrator acl` prints"
    return f"does not answer ({text})"


def try_write(redis: Redis) -> None:
    """Write a key and remove it, in one round trip; RedisError if the server does not take it."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.set(key := check_key("writes", "string"), "", ex=KEPT_S)
        pipe.delete(key)
        pipe.execute()
