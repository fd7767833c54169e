"""Everything that can be set for a run. Each field is also a flag, an environment variable and a TOML key."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from schemas.config.costs import CostRates, Costs
from schemas.config.judgement import GateSettings
from schemas.config.sources import SOURCES, absolute_source, split_source
from schemas.contract.base import Frozen
from schemas.contract.device import parse_devices
from schemas.contract.identifiers import RunId, Symbol
from schemas.contract.window import PANEL, Scope

Interval = Literal["1minute", "5minute", "30minute", "1day"]


NO_CALENDAR, NSE, NEW_YORK = "none", "NSE", "XNYS"


Label = Literal["fixed", "triple-barrier"]
ThresholdUnit = Literal["return", "sigma"]
Entry = Literal["next-open", "close"]
LabelReturn = Literal["gross", "net"]
Privilege = Literal["path", "cross-section"]
StudentKind = Literal["logistic", "booster"]
LogFormat = Literal["text", "json"]


class TrainingSettings(Frozen):
    """The part of a run's config that decides what a window's artifacts hold."""

    interval: Interval
    label: Label
    horizon_bars: int
    threshold: float
    threshold_unit: ThresholdUnit
    take_profit: float
    stop_loss: float
    entry: Entry
    label_return: LabelReturn
    cross_session: bool
    embargo_bars: int
    min_rows: int
    scope: Scope
    privileged: tuple[Privilege, ...]
    student: StudentKind
    distill_weight: float | None
    temperature: float | None
    reward_weights: bool
    cost_bps: float
    slippage_bps: float
    seed: int

    @property
    def round_trip_cost(self) -> float:
        """Fees, taxes and two sides of slippage, as a fraction."""
        return (self.cost_bps + 2.0 * self.slippage_bps) / 1e4

    @property
    def label_rule(self) -> str:
        """When a label is 1, as one sentence without its full stop."""
        sigma = self.threshold_unit == "sigma"
        theta = f"{self.threshold:g} of the volatility over them" if sigma else f"{self.threshold * 100:g} %"
        start = "the next open" if self.entry == "next-open" else "the close"
        end = f"the close {self.horizon_bars} bars after the decision"
        if self.label == "fixed":
            return f"a label is 1 where the {self.label_return} return from {start} to {end} exceeds {theta}"
        return (
            f"a label is 1 where the price, from {start} on, meets +{self.take_profit:g} of the volatility over"
            f" {self.horizon_bars} bars before -{self.stop_loss:g}, or neither and the {self.label_return} return"
            f" to {end} exceeds {theta}"
        )


class BarsSettings(Frozen):
    """The part of a request that decides which bars are stored, and under which checks."""

    source: str
    interval: Interval
    timezone: str
    calendar: str
    corporate_actions: str | None
    second_source: str | None
    secrets_file: str | None
    requests_per_minute: float
    first: date | None
    last: date | None
    incremental: bool


class BarsConfig(Frozen):
    """What `ingest` and `run` share. Descriptions double as the command line's help."""

    symbols: tuple[Symbol, ...] = Field((), description="Symbols, comma separated; none: every symbol of the source.")
    symbols_file: str | None = Field(None, description="File with one symbol a line; '#' starts a comment.")
    source: str = Field("sample", description="Where bars come from: sample, csv:DIR, parquet:DIR or breeze.")
    interval: Interval = Field("1day", description="Length of a bar: 1minute, 5minute, 30minute or 1day.")
    timezone: str = Field("Asia/Kolkata", description="Time zone of timestamps that carry no offset.")
    calendar: str = Field(
        "auto",
        description="Exchange calendar to find holes by: NSE, a name such as XNYS, or none; auto: NSE for"
        " Asia/Kolkata, XNYS for the sample, else none.",
    )
    corporate_actions: str | None = Field(
        None, description="CSV file symbol,ex_date,action,ratio of splits and bonuses to adjust prices by."
    )
    second_source: str | None = Field(None, description="csv:DIR or parquet:DIR of other bars to compare returns with.")
    secrets_file: str | None = Field(
        None, description="File of BREEZE_API_KEY=... lines; none: the environment's variables of those names."
    )
    requests_per_minute: Annotated[float, Field(gt=0, le=6000)] = Field(
        30.0, description="Requests to Breeze a minute, over all symbols and workers."
    )
    devices: str = Field("auto", description="Where to work: auto, gpu:0,1 or cpu:DEVICESxSLOTS.")
    broker: str | None = Field(None, description="redis:// or rediss:// URL; none: an embedded server for this run.")
    local_workers: bool = Field(
        True, description="Start workers for this run, or use only those already on the broker."
    )
    data_dir: str = Field("data", description="Folder of bars, models and telemetry.")
    log_dir: str = Field("logs", description="Folder of log files.")
    log_format: LogFormat = Field("text", description="How log lines are written: text, or json (one object a line).")
    max_failure_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        0.15, description="Share of attempted windows, or symbols, that may fail before their phase does."
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

    @field_validator("second_source")
    @classmethod
    def _second_folder(cls, value: str | None) -> str | None:
        if value is not None and not split_source(value)[0].has_folder:
            raise ValueError(f"is not {' or '.join(kind.form for kind in SOURCES.values() if kind.has_folder)}")
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
    def _fleet(self) -> Self:
        if self.broker is None and not self.local_workers:
            raise ValueError("--no-local-workers needs --broker: without one there is no fleet to use")
        if self.corporate_actions and split_source(self.source)[0].is_adjusted:
            raise ValueError(f"bars of {self.source} are adjusted already; leave --corporate-actions out")
        return self

    def bars(self, first: date | None, last: date | None, *, incremental: bool = False) -> BarsSettings:
        """What travels to whoever reads bars; paths are absolute, as workers may run in another folder."""
        return BarsSettings(
            source=absolute_source(self.source),
            interval=self.interval,
            timezone=self.timezone,
            calendar=self._calendar(),
            corporate_actions=self.corporate_actions and str(Path(self.corporate_actions).absolute()),
            second_source=self.second_source and absolute_source(self.second_source),
            secrets_file=self.secrets_file and str(Path(self.secrets_file).absolute()),
            requests_per_minute=self.requests_per_minute,
            first=first,
            last=last,
            incremental=incremental,
        )

    def _calendar(self) -> str:
        if self.calendar != "auto":
            return self.calendar
        own = split_source(self.source)[0].calendar
        if own is not None:
            return own
        return NSE if self.timezone in ("Asia/Kolkata", "Asia/Calcutta") else NO_CALENDAR


class IngestConfig(BarsConfig):
    """One ingestion: which bars to store, without training on them."""

    start_date: date | None = Field(None, description="First day to store; none: the source's first.")
    end_date: date | None = Field(None, description="Last day to store; none: the source's last, for Breeze yesterday.")
    incremental: bool = Field(
        False, description="Keep what is stored and add what is missing; bars that the source has changed are named."
    )
    validate_only: bool = Field(False, description="Read and judge, store nothing.")

    @model_validator(mode="after")
    def _ordered_dates(self) -> Self:
        if self.start_date and self.end_date and self.start_date > self.end_date:
            raise ValueError(f"start date {self.start_date} is after end date {self.end_date}")
        return self


class RunConfig(BarsConfig):
    """One run, fully resolved."""

    start_date: date = Field(description="First day of the first window, YYYY-MM-DD.")
    end_date: date = Field(description="Day after the last window's last day, YYYY-MM-DD.")
    window_days: Annotated[int, Field(ge=7, le=3660)] = Field(180, description="Calendar days a window spans.")
    step_days: Annotated[int, Field(ge=1, le=3660)] = Field(180, description="Calendar days between window starts.")
    label: Label = Field(
        "fixed", description="fixed: the return over the horizon; triple-barrier: which of two prices is met first."
    )
    horizon: Annotated[int, Field(ge=1, le=500)] = Field(5, description="Bars from a decision to the end of its label.")
    threshold: Annotated[float, Field(ge=-1, le=10)] = Field(
        0.02, description="Return at the horizon above which a label is 1, in --threshold-unit."
    )
    threshold_unit: ThresholdUnit = Field(
        "return", description="return: a fraction (0.02 is 2 %); sigma: times a bar's volatility times sqrt(horizon)."
    )
    take_profit: Annotated[float, Field(gt=0, le=100)] = Field(
        1.0, description="Upper of the three barriers, times a bar's volatility times sqrt(horizon)."
    )
    stop_loss: Annotated[float, Field(gt=0, le=100)] = Field(
        1.0, description="Lower of the three barriers, in the same unit; met first where one bar touches both."
    )
    entry: Entry = Field("next-open", description="Price a trade begins at: next-open, or close of the deciding bar.")
    label_return: LabelReturn = Field("gross", description="Return that is labelled: gross, or net of costs.")
    cross_session: bool = Field(
        False, description="Let labels of intraday bars run on into the next session; else such rows have none."
    )
    embargo: Annotated[int, Field(ge=0, le=500)] = Field(
        1, description="Bars kept free between the end of a training label and what it must not touch."
    )
    min_rows: Annotated[int, Field(ge=20)] = Field(40, description="Labelled rows a window needs to be trained.")
    scope: Scope = Field(
        "symbol", description="symbol: a teacher a symbol and window; panel: one a window, of all symbols together."
    )
    privileged: tuple[Privilege, ...] = Field(
        (),
        description="What the teacher may see and the student never: path (inside the label's horizon),"
        " cross-section (of the same bar, needs --scope panel); comma separated.",
    )
    student: StudentKind = Field("logistic", description="Kind of student: logistic, or booster (a small XGBoost).")
    distill_weight: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None,
        description="Weight of the teacher's out-of-fold probability in the student's target; none: chosen in each"
        " window, 0 (no teacher) among the candidates.",
    )
    temperature: Annotated[float, Field(gt=0, le=20)] | None = Field(
        None, description="What the teacher's logit is divided by in that target; none: chosen in each window."
    )
    reward_weights: bool = Field(
        False, description="Weigh the student's rows by the size of their net return; costs log loss as a rule."
    )
    cost_bps: Annotated[float, Field(ge=0, le=1000)] = Field(
        24.0, description="Fees and taxes of a round trip, in basis points (default: NSE delivery, 2024)."
    )
    slippage_bps: Annotated[float, Field(ge=0, le=1000)] = Field(5.0, description="Slippage a side, in basis points.")
    costs: Costs = Field(
        Costs.FLAT,
        description="What trades are charged when a run is judged: flat (--cost-bps), nse-delivery, nse-intraday (rates"
        " by their day), or config (the tables [[cost_rates]] of --config).",
    )
    order_value: Annotated[float, Field(gt=0)] = Field(
        100_000.0, description="Size of one order in currency, for fees that do not grow with it."
    )
    cost_rates: tuple[CostRates, ...] = Field((), description="Rates of --costs config; only in a file.")
    gates: GateSettings = Field(default_factory=GateSettings, description="Bounds of the gates; only in a file.")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(42, description="Seed of everything that is random.")
    release_dir: str = Field("release", description="Folder of audit bundles.")
    signing_key: str | None = Field(
        None, description="PEM file of an Ed25519 private key, PKCS8, unencrypted, to sign the audit bundle with."
    )
    run_id: RunId | None = Field(None, description="Name of the run; none: live_candidate_YYYYMMDD_HHMMSS.")
    skip_fetch: bool = Field(False, description="Use bars stored by an earlier run; skips the data_ingestion phase.")
    reuse: bool = Field(
        False, description="Take a window from an earlier run that trained it on the same bars, settings and versions."
    )
    telemetry: bool = Field(True, description="Write and publish training events.")
    telemetry_dir: str | None = Field(None, description="Folder of event logs; none: DATA_DIR/analytics/training.")
    telemetry_buffer: Annotated[int, Field(ge=1)] = Field(
        50, description="Events that the event log may be behind of what is published."
    )
    telemetry_delay: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Seconds that the event log may be behind of what is published."
    )
    window_limit: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Seconds that a window may run, give or take two; none: ten times its role's median, at least 60.",
    )

    @field_validator("privileged", mode="before")
    @classmethod
    def _split_privileged(cls, value: object) -> object:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        return tuple(sorted(set(value))) if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _ordered_dates(self) -> Self:
        if self.start_date >= self.end_date:
            raise ValueError(f"start date {self.start_date} is not before end date {self.end_date}")
        return self

    @model_validator(mode="after")
    def _known_rates(self) -> Self:
        if (self.costs is Costs.CONFIG) != bool(self.cost_rates):
            raise ValueError("--costs config and [[cost_rates]] in the config file go together; one of them is missing")
        if self.cost_rates and min(rates.since for rates in self.cost_rates) > self.start_date:
            raise ValueError(f"[[cost_rates]] begin after the start date {self.start_date}; add older ones")
        return self

    @model_validator(mode="after")
    def _known_cross_section(self) -> Self:
        if "cross-section" in self.privileged and self.scope != "panel":
            raise ValueError("--privileged cross-section needs --scope panel: a teacher of one symbol sees no other")
        if PANEL in self.symbols and self.scope == "panel":
            raise ValueError(f"with --scope panel no symbol can be named {PANEL}: its windows are the panel's")
        return self

    def training(self) -> TrainingSettings:
        """The settings that travel with every window."""
        return TrainingSettings(
            interval=self.interval,
            label=self.label,
            horizon_bars=self.horizon,
            threshold=self.threshold,
            threshold_unit=self.threshold_unit,
            take_profit=self.take_profit,
            stop_loss=self.stop_loss,
            entry=self.entry,
            label_return=self.label_return,
            cross_session=self.cross_session,
            embargo_bars=self.embargo,
            min_rows=self.min_rows,
            scope=self.scope,
            privileged=self.privileged,
            student=self.student,
            distill_weight=self.distill_weight,
            temperature=self.temperature,
            reward_weights=self.reward_weights,
            cost_bps=self.cost_bps,
            slippage_bps=self.slippage_bps,
            seed=self.seed,
        )


class ReleaseConfig(Frozen):
    """What the commands of a release share: where it lies, and what its owner asks of those who release."""

    data_dir: str = Field("data", description="Folder of bars, models and telemetry.")
    release_dir: str = Field("release", description="Folder of audit bundles and releases.")
    signing_key: str | None = Field(
        None, description="PEM file of an Ed25519 private key, PKCS8, unencrypted, to sign the release with."
    )
    require_other_approver: bool = Field(False, description="Refuse an approval by whoever trained the run.")
    min_staging_hours: Annotated[float, Field(ge=0)] = Field(
        24.0, description="Hours on end that a release must have been live in staging before production."
    )
