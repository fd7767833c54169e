"""Why no connection to a broker is made, and what to do about it."""

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from schemas.contract.broker_address import ENCODE, public_url
from schemas.redis.writes import trouble

# A part of what servers and TLS answer, in lower case, and what it means: it continues "the broker".
_ANSWERS = (
    ("hello", "does not answer (it has no command HELLO: Redis 6.2 or newer, or Valkey, is needed)"),
    ("db index is out of range", "has no database of that number; give a lower one, such as 0"),
    (
        "protected mode",
        "takes clients of its own host alone (protected mode); give its users passwords (orchestrator acl --write),"
        " then set protected-mode no in its configuration",
    ),
    (
        "certificate is not valid for",
        "has a certificate of another host ({reason}); give the host that its certificate names, or correct the"
        " certificate's subjectAltName",
    ),
    ("certificate has expired", "has a certificate that has expired ({reason}); renew it, or set this host's clock"),
    (
        "certificate_verify_failed",
        "has a certificate that no known authority signed ({reason}); name the file of its authority:"
        " rediss://HOST:PORT/0?ssl_ca_certs=FILE",
    ),
)
_NO_TLS = ("wrong_version_number", "record_layer_failure", "record layer failure", "eof occurred")
_CLOSED = ("reset by peer", "connection closed by server")


def connection_fault(error: RedisError, url: str) -> str:
    """Why a client of `url` raised `error` when it connected, and the remedy: it continues "the broker"."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, AuthenticationError):
        encode = f": {ENCODE}" if "%" in url.rpartition("@")[0] else ""
        return f"refuses the login ({text}); give its user and password in --broker or in --broker-file{encode}"
    known = next((meaning for part, meaning in _ANSWERS if part in text.lower()), None)
    if known is not None:
        return known.format(reason=text)
    encrypted = url.startswith("rediss")
    if encrypted and any(part in text.lower() for part in _NO_TLS):
        return f"has no TLS at this port ({text}); give the port with TLS (tls-port), or redis:// for one without"
    if not encrypted and any(part in text.lower() for part in _CLOSED):
        return f"ends the connection ({text}); if this port has TLS, give rediss://"
    if isinstance(error, NoPermissionError) and "@" not in url:
        return (
            f"refuses a command without a login ({text}); give a user and a password, as in rediss://USER:PASSWORD@HOST"
        )
    failed = trouble(error)
    if not failed.startswith("does not answer"):
        return failed
    # A server without TLS waits for the rest of what it takes for a command.
    other = ", or give redis:// if this port has no TLS" if encrypted and "timeout" in text.lower() else ""
    return f"{failed}; start it, or correct host and port in --broker or --broker-file{other}"


def broker_fault(error: RedisError, url: str) -> str:
    """The same as a sentence that names the broker, without its password."""
    return f"broker {public_url(url)} {connection_fault(error, url)}"
