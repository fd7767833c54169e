"""Everything that can be set for a run. Each field is also a flag, an environment variable and a TOML key."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from schemas.base import Frozen
from schemas.device import parse_devices
from schemas.names import RunId, Symbol

Interval = Literal["1minute", "5minute", "30minute", "1day"]


class SourceKind(StrEnum):
    """Where bars come from: the packaged sample, or a folder of CSV or Parquet files."""

    SAMPLE = "sample"
    CSV = "csv"
    PARQUET = "parquet"


class TrainingSettings(Frozen):
    """The part of a run's config that decides what a window's artifacts hold."""

    interval: Interval
    horizon_bars: int
    threshold: float
    min_rows: int
    distill_weight: float
    cost_bps: float
    slippage_bps: float
    seed: int


class RunConfig(Frozen):
    """One run, fully resolved. Descriptions double as the command line's help."""

    symbols: tuple[Symbol, ...] = Field((), description="Symbols, comma separated; none: every symbol of the source.")
    symbols_file: str | None = Field(None, description="File with one symbol a line; '#' starts a comment.")
    start_date: date = Field(description="First day of the first window, YYYY-MM-DD.")
    end_date: date = Field(description="Day after the last window's last day, YYYY-MM-DD.")
    source: str = Field("sample", description="Where bars come from: sample, csv:DIR or parquet:DIR.")
    interval: Interval = Field("1day", description="Length of a bar: 1minute, 5minute, 30minute or 1day.")
    timezone: str = Field("Asia/Kolkata", description="Time zone of timestamps that carry no offset.")
    window_days: Annotated[int, Field(ge=7, le=3660)] = Field(180, description="Calendar days a window spans.")
    step_days: Annotated[int, Field(ge=1, le=3660)] = Field(180, description="Calendar days between window starts.")
    horizon: Annotated[int, Field(ge=1, le=500)] = Field(5, description="Bars from a decision to the end of its label.")
    threshold: Annotated[float, Field(ge=-1, le=10)] = Field(
        0.02, description="Forward return above which a label is 1."
    )
    min_rows: Annotated[int, Field(ge=20)] = Field(40, description="Labelled rows a window needs to be trained.")
    distill_weight: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="Weight of the teacher's out-of-fold probability in the student's target."
    )
    cost_bps: Annotated[float, Field(ge=0, le=1000)] = Field(
        24.0, description="Fees and taxes of a round trip, in basis points (default: NSE delivery, 2024)."
    )
    slippage_bps: Annotated[float, Field(ge=0, le=1000)] = Field(5.0, description="Slippage a side, in basis points.")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(42, description="Seed of everything that is random.")
    devices: str = Field("auto", description="Where to train: auto, gpu:0,1 or cpu:DEVICESxSLOTS.")
    broker: str | None = Field(None, description="redis:// or rediss:// URL; none: an embedded server for this run.")
    local_workers: bool = Field(
        True, description="Start workers for this run, or use only those already on the broker."
    )
    data_dir: str = Field("data", description="Folder of bars, models and telemetry.")
    release_dir: str = Field("release", description="Folder of audit bundles.")
    log_dir: str = Field("logs", description="Folder of log files.")
    run_id: RunId | None = Field(None, description="Name of the run; none: live_candidate_YYYYMMDD_HHMMSS.")
    skip_fetch: bool = Field(False, description="Use bars stored by an earlier run; skips the data_ingestion phase.")
    reuse: bool = Field(
        False, description="Take a window from an earlier run that trained it on the same bars, settings and versions."
    )
    telemetry: bool = Field(True, description="Write and publish training events.")
    telemetry_dir: str | None = Field(None, description="Folder of event logs; none: DATA_DIR/analytics/training.")
    max_failure_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        0.15, description="Share of attempted windows that may fail before their phase does."
    )
    window_limit: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Seconds that a window may run, give or take two; none: ten times its role's median, at least 60.",
    )
    json_summary: bool = Field(False, description="Print JSON as the last line of stdout, the rest on stderr.")

    @field_validator("symbols", mode="before")
    @classmethod
    def _split_symbols(cls, value: object) -> object:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
            if not value:
                raise ValueError("names no symbol")
        return tuple(dict.fromkeys(value)) if isinstance(value, list | tuple) else value

    @field_validator("source")
    @classmethod
    def _known_source(cls, value: str) -> str:
        split_source(value)
        return value

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value!r} is not a time zone; write it as in Asia/Kolkata or UTC") from None
        return value

    @field_validator("devices")
    @classmethod
    def _known_devices(cls, value: str) -> str:
        parse_devices(value)
        return value

    @field_validator("broker")
    @classmethod
    def _known_broker(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("redis://", "rediss://")):
            raise ValueError("must start with redis:// or rediss://")
        return value

    @model_validator(mode="after")
    def _ordered_dates(self) -> Self:
        if self.start_date >= self.end_date:
            raise ValueError(f"start date {self.start_date} is not before end date {self.end_date}")
        if self.broker is None and not self.local_workers:
            raise ValueError("--no-local-workers needs --broker: without one there is no fleet to use")
        return self

    def training(self) -> TrainingSettings:
        """The settings that travel with every window."""
        return TrainingSettings(
            interval=self.interval,
            horizon_bars=self.horizon,
            threshold=self.threshold,
            min_rows=self.min_rows,
            distill_weight=self.distill_weight,
            cost_bps=self.cost_bps,
            slippage_bps=self.slippage_bps,
            seed=self.seed,
        )


def split_source(source: str) -> tuple[SourceKind, str]:
    """Split `csv:DIR` into its kind and folder ('' for the sample); ValueError for anything else."""
    kind, _, folder = source.partition(":")
    if kind not in list(SourceKind) or (kind == SourceKind.SAMPLE) != (folder == ""):
        raise ValueError(f"source {source!r} is not one of: sample, csv:DIR, parquet:DIR")
    return SourceKind(kind), folder
