"""Trials: how many configurations were tried on a run's symbols and dates, counted from the trial log."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.contract.errors import PhaseError
from schemas.files.atomic import sha256_of
from schemas.files.layout import TRIALS, RunLayout
from schemas.files.trial_log import Trial, configuration_key, read_trials
from workers.bars.series import Floats, Ints
from workers.judging.evidence import Evidence
from workers.judging.statistics.sharpe import sharpe
from workers.judging.validation import ALWAYS_LONG, MOMENTUM
from workers.scoring.newey_west import is_constant

# Each configuration counts twice: its students with a teacher, and without.
VARIANTS = ("student", "alone")
RULES = (ALWAYS_LONG, MOMENTUM)


@dataclass(frozen=True)
class Trials:
    """The trials that a run's best result must be corrected for.

    `count`: configurations tried, times their variants. `sharpes`: Sharpe ratio per day of each scored trial.
    `returns`, shape (strategies, days): daily net returns of every strategy that could have been chosen: the run's
    students with and without a teacher, two rules without learning, and the students of every other configuration
    that was scored on all of these days. `digests`: what the count was taken from.
    """

    count: int
    sharpes: Floats
    returns: Floats
    digests: dict[str, str]


def trials_of(evidence: Evidence) -> Trials:
    """Collect every trial on any of the run's symbols and days, this run included.

    PhaseError if the trial log does not contain this run.
    """
    layout, validation, config = evidence.layout, evidence.validation, evidence.manifest.config
    own = configuration_key(config)
    symbols = sorted(evidence.bars)
    known: dict[str, Trial] = {}
    tried = set()
    for trial in read_trials(layout.folder.parent.parent):
        if trial.concerns(symbols, validation.first, validation.last):
            tried.add(trial.key)
            if trial.kind == "scored" and trial.key != own:
                known[trial.key] = trial
    if own not in tried:
        raise PhaseError(f"{TRIALS} does not hold {evidence.manifest.run_id}; restore it and resume the run")
    day, mine = _daily(layout)
    sharpes = [sharpe(mine[name]) for name in VARIANTS if not is_constant(mine[name])]
    returns = [mine[name] for name in (*VARIANTS, *RULES)]
    for trial in (known[key] for key in sorted(known)):
        sharpes += [trial.sharpes[name] / np.sqrt(trial.periods_per_year) for name in VARIANTS if name in trial.sharpes]
        returns += _aligned(RunLayout(layout.folder.parent / trial.run_id), trial, day)
    unique = np.unique(np.array(returns), axis=0)
    counted = json.dumps([sorted(tried), sorted(sharpes)]).encode()
    digests = {f"data/{TRIALS}: {len(tried)} configurations": hashlib.sha256(counted).hexdigest()}
    return Trials(len(VARIANTS) * len(tried), np.array(sharpes), unique, digests)


def _daily(layout: RunLayout) -> tuple[Ints, dict[str, Floats]]:
    table = pq.read_table(layout.daily_returns)
    day = np.asarray(table["day"].cast(pa.int32()), dtype=np.int64)
    return day, {name: np.asarray(table[name], dtype=np.float64) for name in table.column_names if name != "day"}


def _aligned(layout: RunLayout, trial: Trial, day: Ints) -> list[Floats]:
    """Return another run's strategies on these days; none if its file is gone or changed, or lacks one of the days."""
    if not layout.daily_returns.is_file() or sha256_of(layout.daily_returns) != trial.returns_sha256:
        return []
    theirs, daily = _daily(layout)
    if not np.isin(day, theirs).all():
        return []
    return [daily[name][np.isin(theirs, day)] for name in VARIANTS]
