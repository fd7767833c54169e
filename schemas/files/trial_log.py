"""The ledger of trials: a hash chain in the user's state folder, and a copy of each run's lines in its data folder.

A line that was cut from one of the two is found by the other, a line that was changed by the chain.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from schemas.config.folders import user_state_folder
from schemas.config.run import RunConfig
from schemas.contract.errors import RequestError
from schemas.contract.release import FIRST_LINK
from schemas.contract.trials import Trial, TrialLine
from schemas.files.jsonl_log import append_line, cut_half_line, locked_log, read_log, whole_lines
from schemas.files.layout import TRIALS


@dataclass(frozen=True)
class KnownTrials:
    """Trials of ledger and copy, the oldest first, and what is wrong with the two files, in sentences."""

    trials: tuple[Trial, ...]
    faults: tuple[str, ...]


def trial_logs(config: RunConfig) -> tuple[Path, Path]:
    """The user's ledger, and the copy in the run's data folder; RequestError without a home folder."""
    try:
        folder = Path(config.trials_dir) if config.trials_dir else user_state_folder()
    except RuntimeError:
        raise RequestError("this account has no home folder for the ledger of trials; give --trials-dir") from None
    return folder / TRIALS, Path(config.data_dir) / TRIALS


def append_trial(logs: Sequence[Path], trial: Trial) -> None:
    """Add a line to each log, flushed to disk; a half-written last line is cut off first."""
    for path in logs:
        with locked_log(path) as file:
            content = read_log(file)
            cut_half_line(file, content)
            lines = whole_lines(content)
            previous = hashlib.sha256(lines[-1]).hexdigest() if lines else FIRST_LINK
            append_line(file, TrialLine(previous_sha256=previous, trial=trial).model_dump_json().encode())


def known_trials(logs: tuple[Path, Path]) -> KnownTrials:
    """Every trial that the ledger or the copy holds; a missing file has none."""
    ledger, copy = logs
    (own, faults), (copied, more) = _read(ledger), _read(copy)
    here = os.path.realpath(copy.parent)
    faults += more
    if lost := copied.keys() - own.keys():
        faults.append(
            f"{ledger} lacks {len(lost)} of {len(copied)} lines of {copy}: lines were removed, or another user or"
            " machine made those runs; they are counted"
        )
    if lost := {name for name, trial in own.items() if trial.data_dir == here} - copied.keys():
        faults.append(f"{copy} lacks {len(lost)} lines that {ledger} has of this data folder; they are counted")
    trials = own | copied
    known = {trial.run_id for trial in trials.values()}
    folders = sorted(path.parent.name for path in copy.parent.glob("models/*/statistics.json"))
    if unknown := [name for name in folders if name not in known]:
        faults.append(
            f"No line for {len(unknown)} of the judged runs of {copy.parent}, the first is {unknown[0]}: lines were"
            " removed, and their trials are not counted"
        )
    return KnownTrials(tuple(sorted(trials.values(), key=lambda trial: trial.time)), tuple(faults))


def _read(path: Path) -> tuple[dict[tuple[str, str, str], Trial], list[str]]:
    """Trials by identity, and a sentence for each line that is damaged or does not follow from the one before."""
    trials, faults, previous = {}, [], FIRST_LINK
    for number, text in enumerate(whole_lines(path.read_bytes()) if path.is_file() else [], start=1):
        try:
            line = TrialLine.model_validate_json(text)
        except ValidationError as error:
            faults.append(f"{path} line {number} is damaged and not counted: {error.errors()[0]['msg']}")
        else:
            if line.previous_sha256 != previous:
                faults.append(
                    f"{path} line {number} does not follow from the line before: lines were removed or changed"
                )
            trials[line.trial.identity] = line.trial
        previous = hashlib.sha256(text).hexdigest()
    return trials, faults
