"""The address of a broker: its URL in parts, without secrets where it is shown, and as options of each client."""

from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

SCHEMES = ("redis", "rediss")
# Options that a URL may carry after `?`. They hold no secret: keys and certificates are named by their files.
TLS_OPTIONS = ("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
VERIFICATION = ("required", "none")
DEFAULT_PORT = 6379

SENTINEL = "names a Sentinel, which is not supported: give the URL of the primary, or of a name that follows it"
SOCKET = (
    "names a socket file, which workers on other hosts cannot reach: set `port` in the server's configuration and write"
    " redis://127.0.0.1:PORT/0"
)
CLUSTER = "names a cluster, which is not supported: a run keeps its keys together on one server; give that of another"
# Schemes that other programs write, and what to do instead.
OTHER_SCHEMES = {
    "sentinel": SENTINEL, "redis+sentinel": SENTINEL, "rediss+sentinel": SENTINEL, "redis-sentinel": SENTINEL,
    "unix": SOCKET, "redis+socket": SOCKET, "redis+unix": SOCKET,
    "redis+cluster": CLUSTER, "rediss+cluster": CLUSTER, "redis-cluster": CLUSTER,
    "valkey": "must start with redis://, which is the protocol of Valkey, too",
    "valkeys": "must start with rediss://, which is the protocol of Valkey, too",
}  # fmt: skip

ENCODE = "in user and password, write # as %23, @ as %40, / as %2F, ? as %3F, [ as %5B, ] as %5D and % as %25"


@dataclass(frozen=True)
class BrokerAddress:
    """Parts of a broker's URL. `tls` holds the TLS options of redis-py, and is empty without TLS."""

    host: str
    port: int
    database: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: tuple[tuple[str, str | bool], ...] = ()

    @classmethod
    def parse(cls, url: str) -> Self:
        """The address that `url` names. ValueError says what is wrong and repeats nothing of the URL."""
        scheme, separator, _ = url.partition("://")
        if not separator or scheme not in SCHEMES:
            raise ValueError(OTHER_SCHEMES.get(scheme.lower(), "must start with redis:// or rediss://"))
        if url.count("://") > 1:
            raise ValueError("names several servers, which is not supported: give the one that takes writes")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(f"cannot be read as a URL: {ENCODE}") from None
        if parts.fragment or "#" in url or "@" in parts.path + parts.query or parts.netloc.count("@") > 1:
            raise ValueError(f"cannot be read as a URL: {ENCODE}")
        database = parts.path.removeprefix("/")
        if database and not (database.isascii() and database.isdigit()):
            raise ValueError("names no database: after the port comes /0, or another number")
        return cls(
            host=unquote(parts.hostname or "localhost"),
            port=port or DEFAULT_PORT,
            database=int(database or 0),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=_tls_options(scheme, parts.query),
        )

    def url(self) -> str:
        """The whole URL, percent-encoded, password included."""
        user = quote(self.username or "", safe="")
        password = f":{quote(self.password, safe='')}" if self.password else ""
        return self._url(f"{user}{password}@" if user or password else "")

    def without_secrets(self) -> str:
        """The URL without user and password: what may be stored, logged and printed."""
        return self._url("") + (f"?{urlencode(self._stated())}" if self._stated() else "")

    def redis_options(self) -> dict[str, Any]:
        """Keyword arguments of a connection of redis-py."""
        named = {"host": self.host, "port": self.port, "db": self.database}
        account = {"username": self.username, "password": self.password}
        return named | account | dict(self.tls)

    def celery_settings(self) -> dict[str, Any]:
        """Settings of a Celery application, which Flower's own client reads as well.

        Celery connects without verification to a `rediss://` URL that has no options, so they are always given.
        """
        return {"broker_url": self.url(), "broker_use_ssl": dict(self.tls) or None}

    def _url(self, account: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{account}{host}:{self.port}/{self.database}"

    def _stated(self) -> dict[str, str]:
        """TLS options that differ from the defaults, as a URL states them."""
        defaults = dict(_tls_options("rediss", ""))
        return {name: str(value).lower() if value is False else str(value) for name, value in self.tls
                if defaults.get(name) != value}  # fmt: skip


def public_url(url: str) -> str:
    """`url` without user and password; only its scheme if it cannot be read, because any part may be a secret then."""
    try:
        return BrokerAddress.parse(url).without_secrets()
    except ValueError:
        scheme, separator, _ = url.partition("://")
        return f"{scheme}://..." if separator and scheme in SCHEMES else "..."


def _tls_options(scheme: str, query: str) -> tuple[tuple[str, str | bool], ...]:
    """TLS options of a URL, certificate and host name verified by default; none without TLS."""
    given = dict(parse_qsl(query, keep_blank_values=True))
    if {"username", "password"} & given.keys():
        raise ValueError(
            f"has a user or password after ?, where not every client reads it: put it before the host and, {ENCODE}"
        )
    if scheme == "redis":
        if given:
            raise ValueError("has options after ?, which only rediss:// takes; leave them out")
        return ()
    if given.keys() - set(TLS_OPTIONS):
        raise ValueError(f"has an unknown option after ?; those of rediss:// are {', '.join(TLS_OPTIONS)}")
    verification = given.pop("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if verification not in VERIFICATION:
        raise ValueError(f"has an unknown ssl_cert_reqs; it is {' or '.join(VERIFICATION)}")
    checked = given.pop("ssl_check_hostname", "true").lower()
    if checked not in ("true", "false"):
        raise ValueError("has an unknown ssl_check_hostname; it is true or false")
    # Without a verified certificate there is no name to compare.
    check_hostname = checked == "true" and verification == "required"
    return (("ssl_cert_reqs", verification), ("ssl_check_hostname", check_hostname), *sorted(given.items()))
