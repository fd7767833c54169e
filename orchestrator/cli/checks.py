"""Checks of command-line values: each returns the value, or raises RequestError that names the flag."""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from schemas.config.release import ReleaseConfig
from schemas.config.side import SideConfig
from schemas.config.sources import absolute_source
from schemas.contract.errors import RequestError
from schemas.contract.identifiers import check_symbol
from schemas.contract.release import ENVIRONMENTS, Environment
from schemas.contract.wrong_value import fault
from schemas.redis.client import BROKER_ENV

V = TypeVar("V")


def release_config(config_file: Path | None, **flags: Any) -> ReleaseConfig:
    """The settings of the release commands, from flags, environment and file."""
    from orchestrator.runs.settings import resolve

    return resolve(ReleaseConfig, flags, config_file)


def environment(flag: str, name: str) -> Environment:
    """One of the environments that releases are deployed to."""
    found = next((each for each in ENVIRONMENTS if each == name), None)
    if found is None:
        wrong = {"type": "enum", "ctx": {"expected": " or ".join(ENVIRONMENTS)}, "input": name}
        raise RequestError(f"{flag} {name!r} {fault(wrong)}")
    return found


def not_blank(flag: str, text: str, why: str) -> str:
    """`text` without surrounding blanks; `why` completes the error if nothing is left."""
    if not text.strip():
        raise RequestError(f"{flag} is empty: {why}")
    return text.strip()


def symbols(text: str | None) -> tuple[str, ...]:
    """The symbols of a comma separated list, each once; none for None."""
    if text is None:
        return ()
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise RequestError("--symbols names no symbol")
    return tuple(named("--symbols", check_symbol, name) for name in names)


def source(text: str | None) -> str | None:
    """A bar source with an absolute folder."""
    if text is None:
        return None
    return named("--source", absolute_source, text)


def file_to_write(flag: str, text: str, suffixes: Sequence[str]) -> str:
    """The absolute path of a file with one of the suffixes, in a folder that exists."""
    path = Path(text).absolute()
    if path.suffix not in suffixes:
        raise RequestError(f"{flag} {text}: the file name must end in {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise RequestError(f"{flag} {text}: there is no folder {Path(text).parent}; create it, or correct the path")
    return str(path)


def side(texts: Sequence[str]) -> dict[str, str]:
    """Files of side data by name."""
    from orchestrator.runs.settings import resolve

    found = resolve(SideConfig, {"side": texts}, None, environment={})
    return {each.name: each.path for each in found.side_requests}


def day(flag: str, text: str | None) -> date | None:
    """An ISO date."""
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise RequestError(f"{flag} {text!r} is not a date; write YYYY-MM-DD") from None


def named(flag: str, check: Callable[[str], V], text: str) -> V:
    """`check(text)`; its ValueError becomes a RequestError that begins with `flag`."""
    try:
        return check(text)
    except ValueError as error:
        raise RequestError(f"{flag}: {error}") from None


def given_broker(url: str | None) -> str:
    """The URL of the fleet's broker, which may be away."""
    if url is None:
        raise RequestError(f"no broker: give --broker redis://HOST:PORT/0 or set {BROKER_ENV}")
    return url


def broker(url: str | None) -> str:
    """The URL of the fleet's broker, which answers."""
    from orchestrator.broker import embedded

    given = given_broker(url)
    embedded.check(given)
    return given


def is_loopback(address: str) -> bool:
    """Whether only programs on this machine can connect to `address`."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def free_port(address: str, port: int) -> None:
    """Raise RequestError unless a server can listen on `port` of `address`."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        raise RequestError(f"cannot listen on {address}:{port} ({error.strerror}); give another --port") from None
