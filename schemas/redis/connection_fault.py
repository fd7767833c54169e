"""Why no connection to a broker is made, and what to do about it."""

from pathlib import Path

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from schemas.contract.broker_address import ENCODE, BrokerAddress, public_url
from schemas.redis.answers import AUTHORITY, CLIENT_CERTIFICATE, meaning
from schemas.redis.writes import trouble

_NO_TLS = ("wrong_version_number", "record_layer_failure", "record layer failure", "eof occurred")
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_CLOSED = ("reset by peer", "connection closed by server")
_LASTING = ("certificate", "unknown ca", "key_values_mismatch", "pem lib")


def connection_fault(error: RedisError, url: str) -> str:
    """Why a client of `url` raised `error` when it connected, and the remedy: it continues "the broker"."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, AuthenticationError):
        encode = f": {ENCODE}" if "%" in url.rpartition("@")[0] else ""
        return f"refuses the login ({text}); give its user and password in --broker or in --broker-file{encode}"
    if not isinstance(error, ResponseError) and (named := _unreadable_file(url)):
        return named
    if (known := meaning(text, _authority(url))) is not None:
        return known
    encrypted = url.startswith("rediss")
    if encrypted and "connecting to" not in text and any(part in text.lower() for part in (*_CLOSED, "eof occurred")):
        return f"ends the connection after the handshake ({text}); {CLIENT_CERTIFICATE}"
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


def is_lasting(error: RedisError, url: str) -> bool:
    """Whether waiting does not help: a login, a right, a certificate, or a file that the URL names."""
    refused = isinstance(error, AuthenticationError | NoPermissionError)
    return refused or any(part in str(error).lower() for part in _LASTING) or bool(_unreadable_file(url))


def _unreadable_file(url: str) -> str:
    """Which file of the URL's TLS options cannot be read; empty if all can be."""
    for name, path in _files(url).items():
        try:
            with Path(path).open("rb"):
                pass
        except OSError as error:
            remedy = "correct the path, which is relative to the working folder"
            return f"is not asked: {name} of its URL names {path}, which cannot be read ({error.strerror}); {remedy}"
    return ""


def _authority(url: str) -> str:
    """What to do if no authority is known that signed the certificate."""
    if path := _files(url).get("ssl_ca_certs"):
        return f"{path}, which ssl_ca_certs names, holds another authority: copy that of the broker (ca.pem) there"
    return AUTHORITY


def _files(url: str) -> dict[str, str]:
    """The files that the URL's TLS options name."""
    return {name: str(path) for name, path in BrokerAddress.parse(url).tls if name in _FILES}


def broker_fault(error: RedisError, url: str) -> str:
    """The same as a sentence that names the broker, without its password."""
    return f"broker {public_url(url)} {connection_fault(error, url)}"
