"""Settings of a run."""

from datetime import date
from difflib import get_close_matches
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from schemas.config.bars import NSE, STEP_DAYS, BarsConfig, StepDays, refuse_disorder
from schemas.config.costs import CostRates, Costs
from schemas.config.features import CROSS_SECTION
from schemas.config.folders import beside_data
from schemas.config.interval import DAY_MINUTES, INTERVAL_MINUTES, is_intraday, most_bars_per_session
from schemas.config.judgement import GATES, GateSettings, OwnGate
from schemas.config.side import SideConfig
from schemas.config.training import LABELS, TrainingConfig, TrainingSettings
from schemas.config.universe import UniverseConfig
from schemas.contract.identifiers import RunId
from schemas.contract.tracking_address import tracking_uri


class RunConfig(TrainingConfig, BarsConfig, SideConfig, UniverseConfig):
    """One run, fully resolved. Each field is also a flag, an environment variable and a TOML key."""

    start_date: date = Field(description="First day of the first window, YYYY-MM-DD.")
    end_date: date = Field(description="First day that is no longer trained on (exclusive), YYYY-MM-DD.")
    window_days: Annotated[int, Field(ge=7, le=3660)] = Field(180, description="Calendar days per window.")
    step_days: StepDays = Field(STEP_DAYS, description="Calendar days between window starts.")
    holdout_from: date | None = Field(
        None,
        description="First day that is held out, YYYY-MM-DD: only a run with --final scores it and later ones.",
    )
    final: bool = Field(
        False, description="Score the days from --holdout-from on: once, as the ledger of trials records it."
    )
    costs: Costs = Field(
        Costs.FLAT,
        description="Costs of trades when a run is judged: flat (--cost-bps), nse-delivery, nse-intraday (rates"
        " by their day), or config (the tables [[cost_rates]] of --config).",
    )
    order_value: Annotated[float, Field(gt=0)] = Field(
        100_000.0, description="Size of one order in currency, for fees that are fixed per order."
    )
    trade_band: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="Share of its target by which a position may differ before it is traded, when a run is judged."
    )
    borrow_bps: Annotated[float, Field(ge=0, le=10_000)] = Field(
        50.0, description="Cost of holding a short position, in basis points of its value per year; nights are charged."
    )
    impact: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0,
        description="Extra slippage of a trade as large as the mean traded value of a day, in daily volatilities; it"
        " grows with the root of the trade's share of that value (0: none; 1: usual for stocks).",
    )
    capital: Annotated[float, Field(gt=0)] = Field(
        10_000_000.0, description="Capital in currency that --impact is computed for."
    )
    study: RunId | None = Field(
        None,
        description="Study of `tune` that chose these settings: its trials count against the run, which may not score"
        " the study's days.",
        exclude_if=lambda name: name is None,
    )
    cost_rates: tuple[CostRates, ...] = Field((), description="Rates of --costs config; only in a file.")
    gates: GateSettings = Field(default_factory=GateSettings, description="Bounds of the gates; only in a file.")
    own_gates: tuple[OwnGate, ...] = Field(
        (),
        description="The gates of plug-ins and their digests, filled in by a run's preflight.",
        exclude_if=lambda gates: not gates,
    )
    every_symbol: bool = Field(
        False,
        description="Whether no symbols were named, so that `symbols` are all of the source; filled in by a run's"
        " preflight.",
        exclude_if=lambda every: not every,
    )
    broker_login: bool = Field(
        False,
        description="Whether the broker's URL had a user or a password, which are not stored; filled in by a run.",
        exclude_if=lambda had: not had,
    )
    release_dir: str = Field(
        default_factory=beside_data("release"),
        description="Folder of audit bundles; if omitted: release, beside DATA_DIR.",
    )
    trials_dir: str | None = Field(
        None,
        description="Folder of the ledger of trials, one per user; if omitted: $XDG_STATE_HOME/gurukul, or"
        " ~/.local/state/gurukul.",
    )
    signing_key: str | None = Field(
        None, description="PEM file of an Ed25519 private key, PKCS8, unencrypted, to sign the audit bundle with."
    )
    mlflow: str | None = Field(
        None,
        description="Address of an MLflow server that receives settings, scores and audit after the verdict (extra"
        " [mlflow]).",
        exclude_if=lambda uri: uri is None,
    )
    run_id: RunId | None = Field(None, description="Name of the run; if omitted: live_candidate_YYYYMMDD_HHMMSS.")
    skip_fetch: bool = Field(False, description="Use bars stored by an earlier run; skips the data_ingestion phase.")
    reuse: bool = Field(
        False, description="Copy a window from an earlier run that trained it on the same bars, settings and versions."
    )
    telemetry: bool = Field(True, description="Write and publish training events.")
    telemetry_dir: str | None = Field(
        None, description="Folder of event logs; if omitted: DATA_DIR/analytics/training."
    )
    telemetry_buffer: Annotated[int, Field(ge=1)] = Field(
        50, description="Number of events that the event log may lag behind the stream."
    )
    telemetry_delay: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Seconds that the event log may lag behind the stream."
    )
    window_limit: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Time limit per window, in seconds (within 2 s); if omitted: 10 times its role's median, at least"
        " 60. With a store 120 more, for which a window may wait for it.",
    )

    @field_validator("mlflow")
    @classmethod
    def _server(cls, value: str | None) -> str | None:
        return None if value is None else tracking_uri(value)

    @model_validator(mode="after")
    def _ordered_dates(self) -> Self:
        refuse_disorder(self.start_date, self.end_date)
        return self

    @model_validator(mode="after")
    def _known_holdout(self) -> Self:
        if self.final and self.holdout_from is None:
            raise ValueError("--final needs --holdout-from, the first day that was held out")
        return self

    @model_validator(mode="after")
    def _whole_window_learned(self) -> Self:
        if self.lookback.isdecimal() and int(self.lookback) < self.window_days:
            raise ValueError(
                f"--lookback {self.lookback} is shorter than a window of {self.window_days} days; use --lookback window"
            )
        return self

    @model_validator(mode="after")
    def _known_rates(self) -> Self:
        if (self.costs is Costs.CONFIG) != bool(self.cost_rates):
            raise ValueError("--costs config and [[cost_rates]] in the config file go together; one of them is missing")
        if self.cost_rates and min(rates.since for rates in self.cost_rates) > self.start_date:
            raise ValueError(f"[[cost_rates]] begin after the start date {self.start_date}; add older ones")
        return self

    @model_validator(mode="after")
    def _known_student_scope(self) -> Self:
        if self.student_scope == "panel" and self.scope != "panel":
            raise ValueError("--student-scope panel needs --scope panel: a student has the teacher of its own rows")
        return self

    @model_validator(mode="after")
    def _known_cross_section(self) -> Self:
        if "cross-section" in self.privileged and self.scope != "panel":
            raise ValueError("--privileged cross-section needs --scope panel: a teacher of one symbol sees no other")
        return self

    @model_validator(mode="after")
    def _label_has_a_source(self) -> Self:
        if self.label not in LABELS and not self.plugins:
            near = get_close_matches(self.label, LABELS, n=1)
            meant = f"did you mean {near[0]}?" if near else f"the built-in ones are {', '.join(LABELS)};"
            raise ValueError(
                f"--label {self.label}: there is no such label; {meant} --plugins FILE gives those of a file"
            )
        return self

    @model_validator(mode="after")
    def _no_feature_twice(self) -> Self:
        if "cross-section" in self.privileged and CROSS_SECTION in self.feature_set.names:
            raise ValueError(
                "--privileged cross-section adds nothing to --features cross-section, which the student receives too;"
                " leave it out"
            )
        return self

    @model_validator(mode="after")
    def _horizon_in_session(self) -> Self:
        if not is_intraday(self.interval) or self.cross_session:
            return self
        by_nse = self.resolved_calendar == NSE
        most = most_bars_per_session(self.interval) if by_nse else DAY_MINUTES // INTERVAL_MINUTES[self.interval]
        if self.horizon >= most:
            where = "a session of NSE" if by_nse else "a day"
            raise ValueError(
                f"horizon {self.horizon}: no label of {self.horizon} bars ends inside {where}, which has {most} bars of"
                f" {self.interval}; lower --horizon, or use --cross-session"
            )
        return self

    @property
    def gate_names(self) -> tuple[str, ...]:
        """The gates that judge the run, in order: the built-in ones, then those of its plug-ins."""
        return (*GATES, *(each.name for each in self.own_gates))

    @property
    def plugin_digests(self) -> dict[str, str]:
        """Map the name of each plug-in to the digest of its source."""
        of_bars = super().plugin_digests
        of_gates = {each.plugin: each.sha256 for each in self.own_gates}
        return (self.plugged.digests if self.plugged is not None else {}) | of_bars | of_gates

    def training(self) -> TrainingSettings:
        """The settings that are sent with every window."""
        return TrainingSettings.model_validate({name: getattr(self, name) for name in TrainingConfig.model_fields})
