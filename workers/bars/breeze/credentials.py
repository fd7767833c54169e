"""Breeze's credentials: where they are read from, and how every form of them is kept out of output and files."""

import base64
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

from schemas.contract.errors import RequestError

API_KEY, API_SECRET, SESSION_TOKEN = "BREEZE_API_KEY", "BREEZE_API_SECRET", "BREEZE_SESSION_TOKEN"
NAMES = (API_KEY, API_SECRET, SESSION_TOKEN)
MASK = "***"
LONGEST_CELL = 100


@dataclass(frozen=True)
class Credentials:
    """What a login needs. `origin` is where the session token came from, the only field that may be shown."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    session_token: str = field(repr=False)
    origin: str

    @classmethod
    def load(cls, secrets_file: Path | None) -> "Credentials":
        """Read a file of KEY=VALUE lines, else the environment; RequestError names what is missing."""
        held = {name: os.environ.get(name, "").strip() for name in NAMES}
        from_file = read_secrets(secrets_file) if secrets_file else {}
        origin = str(secrets_file) if from_file.get(SESSION_TOKEN) else "the environment"
        found = {name: from_file.get(name) or held[name] for name in NAMES}
        missing = [name for name in NAMES if not found[name]]
        if missing:
            where = f"the environment or {secrets_file}" if secrets_file else "the environment"
            raise RequestError(
                f"{' and '.join(missing)} not found in {where}; export {'them' if missing[1:] else 'it'}, or give"
                " --secrets-file with lines such as BREEZE_API_KEY=..."
            )
        return cls(found[API_KEY], found[API_SECRET], found[SESSION_TOKEN], origin)


def read_secrets(path: Path) -> dict[str, str]:
    """The KEY=VALUE lines of a file that only its owner can read; RequestError, which quotes nothing, otherwise."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise RequestError(
                    f"secrets file {path} can be read by other users than its owner; run: chmod 600 {path}"
                )
            lines = file.read().splitlines()
    except UnicodeDecodeError:
        raise RequestError(f"secrets file {path} is not UTF-8 text; write it as KEY=VALUE lines") from None
    except OSError as error:
        raise RequestError(f"secrets file {path} cannot be read: {error.strerror}; give an existing file") from None
    return _pairs(lines, path)


def _pairs(lines: list[str], path: Path) -> dict[str, str]:
    pairs = {}
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        key, separator, value = text.partition("=")
        if not separator:
            raise RequestError(
                f"secrets file {path} line {number} is not KEY=VALUE; correct it, or make it a comment with #"
            )
        pairs[key.strip()] = _unquoted(value.strip())
    return pairs


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


class Scrubber:
    """Replaces every secret, in every encoding, by `***`. It holds the secrets, so its repr shows nothing."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms: set[str] = set()
        self.learn(*secrets)

    def learn(self, *secrets: str) -> None:
        """Add secrets, such as the session key that a login returns."""
        self._forms.update(form for secret in secrets if secret for form in _forms(secret))
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)", re.IGNORECASE)

    def __call__(self, text: object) -> str:
        return self._pattern.sub(MASK, str(text))

    def within(self, row: Mapping[str, object]) -> dict[str, str | None]:
        """A reply's row as text without secrets; numbers keep their JSON form."""
        return {str(name): None if value is None else self._cell(value) for name, value in row.items()}

    def _cell(self, value: object) -> str:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return repr(value)
        return self(value if isinstance(value, str) else json.dumps(value))[:LONGEST_CELL]


def _forms(secret: str) -> set[str]:
    plain = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    encoded = {base64.b64encode(secret.encode()).decode(), base64.urlsafe_b64encode(secret.encode()).decode()}
    unpadded = {form.rstrip("=") for form in encoded}
    every = plain | encoded | unpadded
    return every | {way for form in every for way in (quote(form), quote(form, safe=""), quote_plus(form))}
