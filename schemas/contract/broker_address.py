"""The address of a broker: its URL in parts, without secrets where it is shown, and as options of each client."""

from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

SCHEMES = ("redis", "rediss")
# Options that a URL may carry after `?`. They hold no secret: keys and certificates are named by their files.
TLS_OPTIONS = ("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
VERIFICATION = ("required", "none")
# `true`, which --insecure-tls sets, has the clients of a process verify no certificate, whatever the URL states.
INSECURE_TLS_ENV = "GURUKUL_INSECURE_TLS"
DEFAULT_PORT = 6379

SENTINEL_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
SENTINEL_PORT = 26379

SENTINEL = "names a Sentinel: write redis+sentinel://USER:PASSWORD@HOST:26379,HOST:26379/0?service=NAME"
SOCKET = "names a socket file: write unix://USER:PASSWORD@/PATH?db=0"
CLUSTER = "names a cluster, which is not supported: a run keeps its keys together on one server; give that of another"
# Schemes that other programs write, and what to do instead.
OTHER_SCHEMES = {
    "sentinel": SENTINEL, "redis-sentinel": SENTINEL, "sentinels": SENTINEL,
    "redis+socket": SOCKET, "redis+unix": SOCKET,
    "redis+cluster": CLUSTER, "rediss+cluster": CLUSTER, "redis-cluster": CLUSTER,
    "valkey": "must start with redis://, which is the protocol of Valkey, too",
    "valkeys": "must start with rediss://, which is the protocol of Valkey, too",
}  # fmt: skip

SEVERAL = "names several servers, which is not supported: give the one that takes writes, or Sentinels"
ENCODE = "in user and password, write # as %23, @ as %40, / as %2F, ? as %3F, [ as %5B, ] as %5D and % as %25"


@dataclass(frozen=True)
class BrokerAddress:
    """Parts of a broker's URL. `tls` holds the TLS options of redis-py, and is empty without TLS.

    `path` is a socket file of this host, instead of host and port. `sentinels` are hosts and ports that know which
    server is the primary of `service`; host and port are those of the first.
    """

    host: str
    port: int
    database: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: tuple[tuple[str, str | bool], ...] = ()
    path: str = ""
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = ""

    @classmethod
    def parse(cls, url: str) -> Self:
        """The address that `url` names. ValueError names what is wrong and repeats nothing of the URL."""
        scheme, separator, _ = url.partition("://")
        if not separator or scheme not in (*SCHEMES, *SENTINEL_SCHEMES, "unix"):
            raise ValueError(OTHER_SCHEMES.get(scheme.lower(), "must start with redis:// or rediss://"))
        if url.count("://") > 1:
            raise ValueError(SEVERAL)
        try:
            parts = urlsplit(url)
            account, _, place = parts.netloc.rpartition("@")
            places = [urlsplit(f"//{each}") for each in place.split(",")]
            hosts = [(unquote(each.hostname or "localhost"), each.port) for each in places]
        except ValueError:
            raise ValueError(f"cannot be read as a URL: {ENCODE}") from None
        if parts.fragment or "#" in url or "@" in parts.path + parts.query or parts.netloc.count("@") > 1:
            raise ValueError(f"cannot be read as a URL: {ENCODE}")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if {"username", "password"} & options.keys():
            raise ValueError(
                f"has a user or password after ?, where not every client reads it: put it before the host and, {ENCODE}"
            )
        database = options.pop("db", "0") if scheme == "unix" else parts.path.removeprefix("/")
        if database and not (database.isascii() and database.isdigit()):
            raise ValueError("names no database: after the port comes /0, or another number")
        service = options.pop("service", "") if scheme in SENTINEL_SCHEMES else ""
        if scheme in SENTINEL_SCHEMES and not service:
            raise ValueError("names no service of its Sentinels: add ?service=NAME, such as ?service=mymaster")
        if scheme in SCHEMES and len(hosts) > 1:
            raise ValueError(SEVERAL)
        if scheme == "unix" and (place or not parts.path.strip("/")):
            raise ValueError(SOCKET)
        default = SENTINEL_PORT if service else DEFAULT_PORT
        known = tuple((host, port or default) for host, port in hosts)
        user, _, password = account.partition(":")
        return cls(
            host=known[0][0],
            port=known[0][1],
            database=int(database or 0),
            username=unquote(user) if user else None,
            password=unquote(password) if password else None,
            tls=_tls_options(SENTINEL_SCHEMES.get(scheme, scheme), options),
            path=unquote(parts.path) if scheme == "unix" else "",
            sentinels=known if service else (),
            service=service,
        )

    def url(self) -> str:
        """The whole URL, percent-encoded, password included."""
        return self._url(self._account())

    def without_secrets(self) -> str:
        """The URL without user and password: what may be stored, logged and printed."""
        return self._url("")

    def unverified(self) -> Self:
        """The same address, whose certificate is not verified."""
        given = {name: str(value) for name, value in self.tls if name not in ("ssl_cert_reqs", "ssl_check_hostname")}
        return replace(self, tls=self.tls and _tls_options("rediss", given | {"ssl_cert_reqs": "none"}))

    def redis_options(self) -> dict[str, Any]:
        """Keyword arguments of a connection of redis-py, which `schemas/redis/connections.py` makes."""
        shared = {"db": self.database, "username": self.username, "password": self.password} | dict(self.tls)
        return shared | (self.place_options() or {"host": self.host, "port": self.port})

    def place_options(self) -> dict[str, Any]:
        """Options of a connection by a socket file or by Sentinels; none for one to host and port."""
        if self.path:
            return {"path": self.path}
        return {"sentinels": self.sentinels, "service": self.service} if self.sentinels else {}

    def celery_settings(self) -> dict[str, Any]:
        """Settings of a Celery application, which Flower's own client reads as well, but for `place_options`.

        Celery connects without verification to a `rediss://` URL that has no options, so they are always given.
        """
        return {"broker_url": self._plain_url(), "broker_use_ssl": dict(self.tls) or None}

    def _plain_url(self) -> str:
        """The URL as that of one server at host and port, options left out."""
        scheme = "rediss" if self.tls else "redis"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{self._account()}{host}:{self.port}/{self.database}"

    def _account(self) -> str:
        user = quote(self.username or "", safe="")
        password = f":{quote(self.password, safe='')}" if self.password else ""
        return f"{user}{password}@" if user or password else ""

    def _url(self, account: str) -> str:
        options = self._stated()
        if self.path:
            return f"unix://{account}{quote(self.path)}?{urlencode({'db': self.database})}"
        scheme, places = "rediss" if self.tls else "redis", self.sentinels or ((self.host, self.port),)
        if self.sentinels:
            scheme, options = f"{scheme}+sentinel", {"service": self.service} | options
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in places)
        return f"{scheme}://{account}{hosts}/{self.database}{(options and f'?{urlencode(options)}') or ''}"

    def _stated(self) -> dict[str, str]:
        """TLS options that differ from the defaults, as a URL states them."""
        defaults = dict(_tls_options("rediss", {}))
        return {name: str(value).lower() if value is False else str(value) for name, value in self.tls
                if defaults.get(name) != value}  # fmt: skip


def public_url(url: str) -> str:
    """`url` without user and password; only its scheme if it cannot be read, because any part may be a secret then."""
    try:
        return BrokerAddress.parse(url).without_secrets()
    except ValueError:
        scheme, separator, _ = url.partition("://")
        return f"{scheme}://..." if separator and scheme in (*SCHEMES, *SENTINEL_SCHEMES, "unix") else "..."


def has_login(url: str) -> bool:
    """Whether `url`, which can be read, has a user or a password."""
    address = BrokerAddress.parse(url)
    return bool(address.username or address.password)


def _tls_options(scheme: str, given: dict[str, str]) -> tuple[tuple[str, str | bool], ...]:
    """TLS options of a URL, certificate and host name verified by default; none without TLS."""
    if scheme != "rediss":
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
