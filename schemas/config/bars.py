"""Settings of bars: their source, what is stored, and the checks."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.config.file_options import FileOptions
from schemas.config.folders import beside_data
from schemas.config.interval import BarInterval
from schemas.config.sources import SOURCES, absolute_source, own_source, split_source
from schemas.config.training import HORIZON_BARS, Horizon
from schemas.contract.base import Complete, Frozen, is_texts
from schemas.contract.broker_address import BrokerAddress
from schemas.contract.device import parse_devices
from schemas.contract.identifiers import OwnName, Symbol, Timezone
from schemas.contract.plugin_source import plugin_paths
from schemas.contract.store_address import store_url

LogFormat = Literal["text", "json"]
StepDays = Annotated[int, Field(ge=1, le=3660)]
STEP_DAYS = 180
NO_CALENDAR, NSE, NEW_YORK = "none", "NSE", "XNYS"


class BarSource(BarInterval, FileOptions):
    """Source of bars, and how it is read."""

    source: str = Field(
        "sample", description="Where bars come from: sample, csv:DIR, parquet:DIR, breeze, or plugin:NAME of --plugins."
    )
    timezone: Timezone = Field("Asia/Kolkata", description="Time zone of timestamps that carry no offset.")
    calendar: str = Field(
        "auto",
        description="Exchange calendar for finding gaps: NSE, a name such as XNYS, or none; auto: NSE for"
        " Asia/Kolkata, XNYS for the sample, else none.",
    )
    corporate_actions: str | None = Field(
        None, description="CSV file (symbol,ex_date,action,ratio) of splits and bonus issues, to adjust prices."
    )
    second_source: str | None = Field(
        None, description="csv:DIR or parquet:DIR of bars whose returns are compared with these."
    )
    second_options: FileOptions = Field(
        default_factory=FileOptions, description="File options of the second source, as in a format file."
    )
    secrets_file: str | None = Field(
        None, description="File with lines BREEZE_API_KEY=...; if omitted: environment variables of the same names."
    )
    requests_per_minute: Annotated[float, Field(gt=0, le=6000)] = Field(
        30.0, description="Requests per minute to Breeze, over all symbols and workers."
    )

    @field_validator("source")
    @classmethod
    def _known_source(cls, value: str) -> str:
        split_source(value)
        return value

    @field_validator("second_source")
    @classmethod
    def _second_folder(cls, value: str | None) -> str | None:
        if value is not None and not split_source(value)[0].has_folder:
            raise ValueError(f"is not {' or '.join(kind.form for kind in SOURCES.values() if kind.has_folder)}")
        return value


class OwnSource(Frozen):
    """A source of bars of a plug-in: its name, and the plug-in with the digest of its source.

    `adjusted`: whether splits are taken out of its prices already.
    """

    name: OwnName
    plugin: str
    sha256: str
    adjusted: bool


class BarsSettings(BarSource, Complete):
    """Settings with which a worker reads bars: a source with absolute paths, a resolved calendar, and days.

    `first` and `last` are None for a source that is read whole.
    """

    first: date | None
    last: date | None
    incremental: bool


class BarsConfig(BarSource):
    """Settings that `ingest` and `run` share. Each field is also a flag, an environment variable and a TOML key."""

    symbols: tuple[Symbol, ...] = Field(
        (),
        description="Symbols, comma separated; if omitted: every symbol of the source, with --skip-fetch every stored"
        " one.",
    )
    format_file: str | None = Field(
        None,
        description="TOML file of columns, date_format, delimiter, encoding, symbol_from and where, for such files.",
    )
    second_format_file: str | None = Field(None, description="TOML file of the same options, for --second-source.")
    symbols_file: str | None = Field(None, description="File with one symbol per line; '#' starts a comment.")
    devices: str = Field("auto", description="Devices to train on: auto, gpu:0,1 or cpu:DEVICESxSLOTS.")
    broker: str | None = Field(
        None, description="redis:// or rediss:// URL; if omitted: an embedded server for this run."
    )
    broker_file: str | None = Field(
        None, description="File that holds the broker's URL, so that no command line shows its password; chmod 600."
    )
    local_workers: bool = Field(
        True, description="Start workers for this run; with --no-local-workers, use only those that the broker has."
    )
    min_devices: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0, description="With --no-local-workers: send nothing before so many devices that can do it are online."
    )
    max_devices: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0, description="Use at most so many devices of a shared fleet at a time; 0: all."
    )
    priority: Annotated[float, Field(ge=0.01, le=100)] = Field(
        1.0,
        description="Part of the slots that several runs want: priority 2 has twice the slots of 1.",
    )
    data_dir: str = Field("data", description="Folder of bars, models and telemetry.")
    store: str | None = Field(
        None,
        description="URL of the store of a fleet without a shared disk: s3://BUCKET/PREFIX, gs:// or az://; if omitted:"
        " workers share DATA_DIR.",
    )
    log_dir: str = Field(
        default_factory=beside_data("logs"), description="Folder of log files; if omitted: logs, beside DATA_DIR."
    )
    log_format: LogFormat = Field("text", description="Format of log lines: text, or json (one object per line).")
    plugins: tuple[str, ...] = Field(
        (),
        description="Python files, or installed packages as package:NAME, with features, labels, models, gates and"
        " sources of your own; comma separated (docs/plugins.md).",
    )
    own_source: OwnSource | None = Field(
        None,
        description="The source of a plug-in and its digest, filled in before bars are read.",
        exclude_if=lambda source: source is None,
    )
    max_failure_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        0.15, description="Share of attempted windows, or symbols, that may fail before their phase fails."
    )
    json_summary: bool = Field(False, description="Print JSON as the last line of stdout, the rest on stderr.")

    @model_validator(mode="before")
    @classmethod
    def _no_text_ends_early(cls, values: object) -> object:
        """Most texts here name files, and the file system refuses the character zero with an error of its own."""
        for name, value in values.items() if isinstance(values, dict) else ():
            if any("\0" in text for text in (value if is_texts(value) else [value]) if isinstance(text, str)):
                raise ValueError(f"{name} contains the character zero, which no name of a file has")
        return values

    @field_validator("symbols", mode="before")
    @classmethod
    def _split_symbols(cls, value: object) -> object:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
            if not value:
                raise ValueError("names no symbol")
        return tuple(dict.fromkeys(value)) if is_texts(value) else value

    @field_validator("plugins", mode="before")
    @classmethod
    def _split_plugins(cls, value: object) -> object:
        """Absolute paths, so that `resume` finds them from another working folder."""
        return plugin_paths(value)

    @field_validator("devices")
    @classmethod
    def _known_devices(cls, value: str) -> str:
        parse_devices(value)
        return value

    @field_validator("broker")
    @classmethod
    def _known_broker(cls, value: str | None) -> str | None:
        if value is not None:
            BrokerAddress.parse(value)
        return value

    @field_validator("store")
    @classmethod
    def _known_store(cls, value: str | None) -> str | None:
        return None if value is None else store_url(value)

    @model_validator(mode="after")
    def _fleet(self) -> Self:
        if self.broker is None and not self.local_workers:
            raise ValueError("--no-local-workers needs --broker: without one there is no fleet to use")
        if self.max_devices and self.min_devices > self.max_devices:
            raise ValueError(f"--min-devices {self.min_devices} exceeds --max-devices {self.max_devices}")
        if self.min_devices and self.local_workers:
            raise ValueError("--min-devices needs --no-local-workers: it waits for the devices of a shared fleet")
        intervals = split_source(self.source)[0].intervals
        if intervals and self.interval not in intervals:
            raise ValueError(f"{self.source} has no {self.interval} bars; use --interval {' or '.join(intervals)}")
        if (name := own_source(self.source)) and not self.plugins:
            raise ValueError(f"--source {self.source} needs --plugins FILE, which defines the source {name}")
        if self.corporate_actions and split_source(self.source)[0].is_adjusted:
            raise ValueError(f"bars of {self.source} are adjusted already; leave --corporate-actions out")
        if self.second_source is None and self.second_options != FileOptions():
            raise ValueError("--second-format-file is for --second-source, which is not given")
        given = [name for name in FileOptions.model_fields if getattr(self, name)]
        if given and not split_source(self.source)[0].has_folder:
            flag = "--" + given[0].replace("_", "-")
            raise ValueError(f"{flag} is for files, and the source is {self.source}; leave it out, or give csv:DIR")
        return self

    def bars(self, first: date | None, last: date | None, *, incremental: bool = False) -> BarsSettings:
        """The settings for a worker that reads the bars of `first` to `last`; it may run in another folder."""
        shared = {name: getattr(self, name) for name in BarSource.model_fields}
        paths = {
            name: str(Path(path).absolute()) for name in ("corporate_actions", "secrets_file") if (path := shared[name])
        }
        sources = {name: absolute_source(each) for name in ("source", "second_source") if (each := shared[name])}
        return BarsSettings(
            **shared | paths | sources | {"calendar": self.resolved_calendar},
            first=first,
            last=last,
            incremental=incremental,
        )

    @property
    def plugin_digests(self) -> dict[str, str]:
        """Map the name of each plug-in that workers need to the digest of its source."""
        return {self.own_source.plugin: self.own_source.sha256} if self.own_source is not None else {}

    @property
    def resolved_calendar(self) -> str:
        """The calendar that `auto` stands for, or the given one."""
        if self.calendar != "auto":
            return self.calendar
        own = split_source(self.source)[0].calendar
        if own is not None:
            return own
        return NSE if self.timezone in ("Asia/Kolkata", "Asia/Calcutta") else NO_CALENDAR


def refuse_disorder(start: date, end: date) -> None:
    """ValueError unless the start date is before the end date."""
    if start >= end:
        raise ValueError(
            f"start date {start} is not before end date {end}; give an earlier --start-date or a later --end-date"
        )


class IngestConfig(BarsConfig):
    """One ingestion: which bars to store, without training on them."""

    start_date: date | None = Field(
        None,
        description="First day of the first window, as in `run`; bars of its warm-up are stored as well. If omitted:"
        " all bars from the source's first.",
    )
    end_date: date | None = Field(
        None,
        description="First day that is no longer trained on (exclusive), as in `run`; days that are scored after it are"
        " stored as well. If omitted, and with --incremental: all bars to the source's newest, for Breeze yesterday's.",
    )
    step_days: StepDays = Field(
        STEP_DAYS, description="Calendar days between window starts; the last window is scored for as long."
    )
    horizon: Horizon = Field(
        HORIZON_BARS, description="Bars from a decision to the end of its label: the last scored day needs them."
    )
    incremental: bool = Field(
        False, description="Keep stored bars and add missing ones; bars that the source has changed are reported."
    )
    validate_only: bool = Field(False, description="Read and check, store nothing.")
    write_actions: str | None = Field(
        None,
        description="Write the corporate actions that jumps of prices suggest to this file, after those of"
        " --corporate-actions; check them before use.",
    )

    @model_validator(mode="after")
    def _ordered_dates(self) -> Self:
        if self.start_date and self.end_date:
            refuse_disorder(self.start_date, self.end_date)
        return self
