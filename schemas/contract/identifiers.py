"""Checks of names from outside that become parts of paths, queues and keys."""

import re
from difflib import get_close_matches
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field

_SYMBOL = re.compile(r"[A-Za-z0-9^][A-Za-z0-9&.^=-]{0,31}")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def check_symbol(symbol: str) -> str:
    """Return `symbol` unchanged; ValueError unless it is safe as a file and key name (`M&M`, `^GSPC`)."""
    if not _SYMBOL.fullmatch(symbol) or symbol.endswith("."):
        raise ValueError(
            f"symbol {symbol!r} is not valid: 1 to 32 letters, digits, & . ^ = -, the first a letter, digit or ^"
        )
    return symbol


def is_symbol(name: str) -> bool:
    """Whether `check_symbol` accepts `name`."""
    try:
        return bool(check_symbol(name))
    except ValueError:
        return False


def usable_symbol(name: str) -> str:
    """The symbol that stands for a name: each run of characters that no symbol may have becomes one `-`.

    `BTC/USD` is read as `BTC-USD`, `NIFTY 50` as `NIFTY-50`. What is then at the beginning or end is removed. "" if no
    symbol remains.
    """
    if is_symbol(name):
        return name
    symbol = re.sub(r"[^A-Za-z0-9&.^=-]+", "-", name).strip("-").rstrip(".").lstrip("&.=-")
    return symbol if is_symbol(symbol) else ""


def check_run_id(run_id: str) -> str:
    """Return `run_id` unchanged; ValueError unless it is safe as a folder and key name."""
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(
            f"run id {run_id!r} is not valid: 1 to 64 of letters, digits and _ . -, starting with a letter or digit"
        )
    return run_id


def check_own_name(name: str) -> str:
    """Return the name of what a plug-in offers unchanged; ValueError unless it is a Python identifier."""
    if not name.isidentifier():
        raise ValueError(f"name {name!r} is not valid: use letters, digits and _ only")
    return name


def redact(url: str) -> str:
    """`url` without user and password."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    return f"{scheme}://{rest.rpartition('@')[2]}"


def check_timezone(name: str) -> str:
    """Return `name` unchanged; ValueError unless it is a time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = sorted(available_timezones())
        city = name.replace(" ", "_").casefold()
        near = [zone for zone in known if zone.casefold().rpartition("/")[2] == city] or get_close_matches(name, known)
        meant = f"did you mean {near[0]}?" if near else "write it as in Asia/Kolkata or UTC"
        raise ValueError(f"{name!r} is not a time zone; {meant}") from None
    return name


Symbol = Annotated[str, AfterValidator(check_symbol)]
OwnName = Annotated[str, AfterValidator(check_own_name)]
RunId = Annotated[str, AfterValidator(check_run_id)]
Timezone = Annotated[str, AfterValidator(check_timezone)]
# A name that is one part of a path: of a window, or of a symbol's folder.
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9^][A-Za-z0-9&.^=_-]{0,99}$")]
# A SHA-256 as hex, which names stored files.
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
