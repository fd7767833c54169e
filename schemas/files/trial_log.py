"""The trial ledger: every configuration ever trained under a data directory, so that luck can be counted."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from schemas.config.run import RunConfig
from schemas.contract.base import Frozen
from schemas.contract.errors import PhaseError, RequestError
from schemas.files.layout import TRIALS


class Trial(Frozen):
    """One line: a configuration that began to be trained, or was scored; `key` is of its settings alone.

    `sharpes` are a year's Sharpe ratios of what was scored, by strategy; `returns_sha256` is of its daily returns.
    """

    kind: Literal["trained", "scored"]
    time: AwareDatetime
    run_id: str
    key: str
    symbols: tuple[str, ...]
    first: date
    last: date
    sharpes: dict[str, float] = Field(default_factory=dict)
    returns_sha256: str | None = None

    def concerns(self, symbols: Iterable[str], first: date, last: date) -> bool:
        """Whether it shares a symbol and a day with these."""
        return bool(set(self.symbols) & set(symbols)) and self.first < last and first < self.last


def configuration_key(config: RunConfig) -> str:
    """SHA-256 of what is tried: settings of training and of windows, not dates, symbols, devices or folders."""
    tried = config.training().model_dump(mode="json") | {
        "window_days": config.window_days,
        "step_days": config.step_days,
        "costs": config.costs,
        "order_value": config.order_value,
        "cost_rates": [rates.model_dump(mode="json") for rates in config.cost_rates],
    }
    return hashlib.sha256(json.dumps(tried, sort_keys=True).encode()).hexdigest()


def append(data_dir: str | Path, trial: Trial) -> None:
    """Add a line, flushed to disk; what a power cut left half written at the end is cut off first."""
    path = Path(data_dir) / TRIALS
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
        file.write(trial.model_dump_json().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read(data_dir: str | Path) -> list[Trial]:
    """All lines, oldest first; PhaseError if the file is missing, a line malformed, or that of a judged run gone."""
    path = Path(data_dir) / TRIALS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise PhaseError(f"{path} is missing: without it nobody knows how much was tried; restore it") from None
    trials = []
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            trials.append(Trial.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            raise PhaseError(f"{path} line {number}: {first['msg']}; restore the file") from None
    known = {trial.run_id for trial in trials if trial.kind == "scored"}
    for scored in sorted(Path(data_dir).glob("models/*/statistics.json")):
        if scored.parent.name not in known:
            raise PhaseError(
                f"{path} does not hold run {scored.parent.name}, which was scored: lines are missing; restore it"
            )
    return trials


def refuse_broken(data_dir: str | Path) -> None:
    """RequestError if the ledger would stop a run at its end: before it has begun."""
    path = Path(data_dir) / TRIALS
    if path.is_file() or any(Path(data_dir).glob("models/*/statistics.json")):
        try:
            read(data_dir)
        except PhaseError as error:
            raise RequestError(str(error)) from None
