"""Settings of side data, files of values by time: those that a run is given, and those that its features read."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from schemas.config.interval import Interval
from schemas.contract.base import Frozen
from schemas.contract.identifiers import Sha256

SideName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,39}$")]
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}", re.ASCII)
DURATION = re.compile(r"([0-9]{1,6})(min|h|d|w)", re.ASCII)
# The packages whose versions decide what of side data a bar sees, by the hours of sessions.
SIDE_LIBRARIES = ("exchange_calendars",)
SECONDS = {"min": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}


class SideRequest(Frozen):
    """A file of side data: `lag_s` where the file has no column known_at; values older than `max_age_s` are missing."""

    name: SideName
    path: str
    lag_s: int | None
    max_age_s: int | None


class SideFile(Frozen):
    """Stored side data that a run reads, by the digest of their content, and how their file is read.

    `by_symbol`: symbols have values of their own. `lag_s` and `max_age_s` as of the request.
    """

    name: SideName
    sha256: Sha256
    columns: tuple[str, ...]
    by_symbol: bool
    lag_s: int | None
    max_age_s: int | None

    def of(self, path: str) -> SideRequest:
        """The request to read another file in the same way."""
        return SideRequest(name=self.name, path=path, lag_s=self.lag_s, max_age_s=self.max_age_s)


class SideChoice(Frozen):
    """The side data that features, or a label, read, and what decides the instant at which a bar's decision is made."""

    calendar: str
    interval: Interval
    files: tuple[SideFile, ...] = Field(min_length=1)


class SideConfig(Frozen):
    """Settings that name the files of side data; a setting of a run, too."""

    side: tuple[str, ...] = Field(
        (),
        description="File of side data that features or the label read, NAME=FILE (CSV or Parquet with time, known_at,"
        " values and perhaps symbol); may be given several times (docs/data.md).",
        exclude_if=lambda given: not given,
    )
    side_lag: tuple[str, ...] = Field(
        (),
        description="NAME=DURATION after its time at which a value is known, such as 1d or 90min, for a file without"
        " known_at; may be given several times.",
        exclude_if=lambda given: not given,
    )
    side_max_age: tuple[str, ...] = Field(
        (),
        description="NAME=DURATION: a value whose time is longer ago is missing; if omitted: none is too old; may be"
        " given several times.",
        exclude_if=lambda given: not given,
    )

    @field_validator("side", mode="before")
    @classmethod
    def _named_files(cls, value: object) -> object:
        """Absolute paths, so that `predict` finds the files from another working folder."""
        return tuple(f"{name}={Path(path).absolute()}" for name, path in _pairs(value, "NAME=FILE").items())

    @field_validator("side_lag", "side_max_age", mode="before")
    @classmethod
    def _named_durations(cls, value: object) -> object:
        found = _pairs(value, "NAME=DURATION, such as fii=1d")
        for name, text in found.items():
            if DURATION.fullmatch(text) is None:
                raise ValueError(
                    f"{name}={text} has no duration; write a whole number and min, h, d or w, such as {name}=1d or"
                    f" {name}=90min"
                )
        return tuple(f"{name}={text}" for name, text in found.items())

    @model_validator(mode="after")
    def _of_known_files(self) -> Self:
        known = _pairs(self.side, "")
        for flag, given in (("--side-lag", self.side_lag), ("--side-max-age", self.side_max_age)):
            for name in _pairs(given, ""):
                if name not in known:
                    raise ValueError(f"{flag} {name}: no --side has that name; give --side {name}=FILE")
        return self

    @property
    def side_requests(self) -> tuple[SideRequest, ...]:
        """The files with their lags and ages."""
        lags, ages = _seconds(self.side_lag), _seconds(self.side_max_age)
        return tuple(
            SideRequest(name=name, path=path, lag_s=lags.get(name), max_age_s=ages.get(name))
            for name, path in _pairs(self.side, "").items()
        )


def _seconds(given: tuple[str, ...]) -> dict[str, int]:
    """Seconds of each name's duration, such as 90min, 18h, 1d or 2w."""
    parts = {name: DURATION.fullmatch(text) for name, text in _pairs(given, "").items()}
    return {name: int(each[1]) * SECONDS[each[2]] for name, each in parts.items() if each is not None}


def _pairs(value: Any, form: str) -> dict[str, str]:
    """NAME=VALUE texts, or a table of them, by name; ValueError for another form, or a name that is given twice.

    One text, as of a variable of the environment, separates them with commas.
    """
    texts: Iterable[object] = value.split(",") if isinstance(value, str) else value
    if isinstance(value, Mapping):
        texts = [f"{name}={each}" for name, each in value.items()]
    found: dict[str, str] = {}
    for text in texts:
        name, sign, each = str(text).partition("=")
        name, each = name.strip(), each.strip()
        if not (sign and each and NAME.fullmatch(name)):
            raise ValueError(f"{text!r} is not {form}; a name has letters, digits and _")
        if name in found:
            raise ValueError(f"{name} is given twice; give it once")
        found[name] = each
    return found
