"""The trial log: every configuration trained under a data folder; tests correct for their number."""

import hashlib
import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from schemas.config.run import RunConfig
from schemas.contract.base import Frozen
from schemas.contract.errors import FileError
from schemas.files.jsonl_log import append_line, cut_half_line, locked_log, read_log, whole_lines
from schemas.files.layout import TRIALS


class Trial(Frozen):
    """One line: a configuration that was trained or scored. `key` is the digest of its settings alone.

    `sharpes` are annual Sharpe ratios by strategy, of
    `periods_per_year` returns; `returns_sha256` is the digest of the file of daily returns.
    """

    kind: Literal["trained", "scored"]
    time: AwareDatetime
    run_id: str
    key: str
    symbols: tuple[str, ...]
    first: date
    last: date
    sharpes: dict[str, float] = Field(default_factory=dict)
    periods_per_year: int = 252
    returns_sha256: str | None = None

    def concerns(self, symbols: Iterable[str], first: date, last: date) -> bool:
        """Whether it shares a symbol and a day with these symbols and days `[first, last)`."""
        return bool(set(self.symbols) & set(symbols)) and self.first < last and first < self.last


def configuration_key(config: RunConfig) -> str:
    """SHA-256 of the settings of training, windows and costs; dates, symbols, devices and folders are left out."""
    tried = config.training().model_dump(mode="json") | {
        "window_days": config.window_days,
        "step_days": config.step_days,
        "costs": config.costs,
        "order_value": config.order_value,
        "trade_band": config.trade_band,
        "impact": config.impact,
        "capital": config.capital,
        "cost_rates": [rates.model_dump(mode="json") for rates in config.cost_rates],
    }
    return hashlib.sha256(json.dumps(tried, sort_keys=True).encode()).hexdigest()


def append_trial(data_dir: str | Path, trial: Trial) -> None:
    """Add a line, flushed to disk; a half-written last line is cut off first."""
    with locked_log(Path(data_dir) / TRIALS) as file:
        cut_half_line(file, read_log(file))
        append_line(file, trial.model_dump_json().encode())


def read_trials(data_dir: str | Path) -> list[Trial]:
    """All lines, oldest first. FileError if the log is missing, has a damaged line, or has none for a scored run."""
    path = Path(data_dir) / TRIALS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileError(f"{path} is missing: without it the number of trials is unknown; restore it") from None
    trials = []
    for number, line in enumerate(whole_lines(content), start=1):
        try:
            trials.append(Trial.model_validate_json(line))
        except ValidationError as error:
            raise FileError(f"{path} line {number}: {error.errors()[0]['msg']}; restore the file") from None
    known = {trial.run_id for trial in trials if trial.kind == "scored"}
    for scored in sorted(Path(data_dir).glob("models/*/statistics.json")):
        if scored.parent.name not in known:
            raise FileError(f"{path} has no line of run {scored.parent.name}, which was scored; restore the file")
    return trials


def refuse_damaged_trials(data_dir: str | Path) -> None:
    """Raise FileError before a run starts if the trial log would fail the run at its end."""
    if (Path(data_dir) / TRIALS).is_file() or any(Path(data_dir).glob("models/*/statistics.json")):
        read_trials(data_dir)
