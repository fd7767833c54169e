"""The commands that follow a recommendation, with the run's own settings."""

from collections.abc import Iterable
from datetime import date, timedelta

from schemas.config.bars import BarSource
from schemas.config.file_options import FileOptions
from schemas.config.folders import beside_data
from schemas.config.release import ReleaseConfig
from schemas.config.run import RunConfig
from schemas.config.side import SideConfig
from schemas.contract.command_line import command_line
from schemas.contract.judgement import Recommendation
from schemas.contract.release import STAGING, Environment

# Settings of where and how one run is made, and those that the command sets itself or that have no flag.
OF_ONE_RUN = {
    "end_date", "devices", "min_devices", "max_devices", "priority", "log_dir", "log_format", "max_failure_rate",
    "json_summary", "symbols_file", "second_options", "secrets_file", "requests_per_minute", "window_limit",
    "release_dir", "trials_dir", "signing_key", "run_id", "skip_fetch", "reuse", "telemetry", "telemetry_dir",
    "telemetry_buffer", "telemetry_delay", "cost_rates", "gates", "holdout_from", "final", "plugged", "members",
    "own_gates", "own_source", "every_symbol", "broker_login", "mlflow",
}  # fmt: skip
DAYS_PER_YEAR = 365.25
ACTIONS = "actions.csv"
Folders = RunConfig | ReleaseConfig


def flags_of(config: RunConfig) -> list[str]:
    """Return the flags of all settings of a trial that differ from their defaults.

    `--config FILE` stands for tables of a config file, which have no flags.
    """
    words = ["--start-date", str(config.start_date), *_flags(config, RunConfig.model_fields)]
    usual = _usual(config)
    is_tabled = config.gates != usual.gates or config.cost_rates
    return words + (["--config", "FILE"] if is_tabled else [])


def run_again(config: RunConfig, end: date) -> str:
    """Return the command that judges the same settings on days up to `end`."""
    return command_line("run", "--reuse", *flags_of(config), "--end-date", str(end))


def after_years(config: RunConfig, years: float) -> date:
    """Return the end date with so many more years."""
    return config.end_date + timedelta(days=round(years * DAYS_PER_YEAR))


def suggest_actions(config: RunConfig, symbols: Iterable[str]) -> str:
    """Return the command that writes the corporate actions that jumps of these symbols' prices suggest."""
    source = _flags(config, (*BarSource.model_fields, "format_file"))
    return command_line(
        "ingest", "--validate-only", *source, "--symbols", ",".join(symbols), "--write-actions", ACTIONS
    )


def approve(run_id: str, config: Folders, recommendation: str | None = Recommendation.PROMOTE) -> str:
    """Return the command that approves a run; with another recommendation than promote it needs a reason."""
    reason = () if recommendation == Recommendation.PROMOTE else ("--override", "REASON")
    return command_line("approve", run_id, "--by", "NAME", *reason, *_release_dir(config), data_dir=config.data_dir)


def deploy(run_id: str, config: Folders, environment: Environment = STAGING) -> str:
    """Return the command that deploys an approved run."""
    return command_line("deploy", run_id, "--to", environment, *_release_dir(config), data_dir=config.data_dir)


def reject(run_id: str, config: Folders) -> str:
    """Return the command that rejects a run."""
    return command_line("reject", run_id, "--by", "NAME", *_release_dir(config), data_dir=config.data_dir)


def power(config: RunConfig) -> str:
    """Return the command that shows what the days and symbols of these settings could find."""
    return command_line("plan", "--power", *flags_of(config), "--end-date", str(config.end_date))


def _release_dir(config: Folders) -> list[str]:
    """The flag of the folder of releases, where it is not beside the data folder."""
    is_usual = config.release_dir == beside_data("release")({"data_dir": config.data_dir})
    return [] if is_usual else ["--release-dir", config.release_dir]


def _usual(config: RunConfig) -> RunConfig:
    return RunConfig(start_date=config.start_date, end_date=config.end_date)


def _flags(config: RunConfig, names: Iterable[str]) -> list[str]:
    left_out = OF_ONE_RUN | (set(FileOptions.model_fields) if config.format_file else set())
    # A URL without its login would be refused, and would hide the whole one of the variable GURUKUL_BROKER.
    left_out |= ({"broker"} if config.broker_file or config.broker_login else set()) | (
        {"symbols"} if config.every_symbol else set()
    )
    usual, words = _usual(config), []
    for name in names:
        value = getattr(config, name)
        if name not in left_out and value != getattr(usual, name):
            flag = "--" + name.replace("_", "-")
            if isinstance(value, bool):
                words.append(flag if value else flag.replace("--", "--no-"))
                continue
            # Flags of side data are repeated, one per file.
            for text in value if name in SideConfig.model_fields else (_text(value),):
                words += [flag, text]
    return words


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={each}" for name, each in value.items())
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
