"""Trials: how many configurations were tried on a run's symbols and dates, as its `trials.json` has them."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.contract.judgement import ALWAYS_LONG
from schemas.contract.trials import ScoredTrial, TrialCount
from schemas.files.atomic import sha256_of
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_model
from workers.bars.series import Floats, Ints
from workers.judging.evidence import Evidence
from workers.judging.statistics.sharpe import sharpe
from workers.judging.validation import MOMENTUM
from workers.scoring.constancy import is_constant

# Each configuration counts twice: its students with a teacher, and without.
VARIANTS = ("student", "alone")
RULES = (ALWAYS_LONG, MOMENTUM)


@dataclass(frozen=True)
class Trials:
    """The trials that a run's best result must be corrected for.

    `count`: configurations tried, times their variants. `sharpes`: Sharpe ratio per day of each scored trial.
    `returns`, shape (strategies, days): daily net returns of every strategy that could have been chosen: the run's
    students with and without a teacher, two rules without learning, and the students of every other configuration
    that was scored on all of these days. `digests`: what the count was taken from. `judged_until`: the last
    day that an earlier judgement of this configuration saw, if none of them promoted it. `opened_from`: the first
    held-out day, if this run is the first that scored them.
    """

    count: int
    sharpes: Floats
    returns: Floats
    digests: dict[str, str]
    judged_until: date | None
    opened_from: date | None

    @property
    def tried(self) -> int:
        """Configurations and further selections of symbols, this run's included.

        One for a final run: no other has seen its held-out days, which correct for them.
        """
        return self.count // len(VARIANTS) if self.opened_from is None else 1


def trials_of(evidence: Evidence) -> Trials:
    """Collect every trial on any of the run's symbols and days, this run included; FileError without `trials.json`."""
    layout = evidence.layout
    counted = read_model(layout.trials, TrialCount)
    day, mine = _daily(layout)
    sharpes = [sharpe(mine[name]) for name in VARIANTS if not is_constant(mine[name])]
    returns = [mine[name] for name in (*VARIANTS, *RULES)]
    for trial in counted.others:
        sharpes += [trial.sharpes[name] / np.sqrt(trial.periods_per_year) for name in VARIANTS if name in trial.sharpes]
        returns += _aligned(RunLayout(layout.folder.parent / trial.run_id), trial, day)
    unique = np.unique(np.array(returns), axis=0)
    digests = {layout.trials.name: sha256_of(layout.trials)}
    return Trials(
        len(VARIANTS) * counted.trials, np.array(sharpes), unique, digests, counted.judged_until, counted.opened_from
    )


def _daily(layout: RunLayout) -> tuple[Ints, dict[str, Floats]]:
    table = pq.read_table(layout.daily_returns)
    day = np.asarray(table["day"].cast(pa.int32()), dtype=np.int64)
    return day, {name: np.asarray(table[name], dtype=np.float64) for name in table.column_names if name != "day"}


def _aligned(layout: RunLayout, trial: ScoredTrial, day: Ints) -> list[Floats]:
    """Return another run's strategies on these days; none if its file is gone or changed, or lacks one of the days."""
    if not layout.daily_returns.is_file() or sha256_of(layout.daily_returns) != trial.returns_sha256:
        return []
    theirs, daily = _daily(layout)
    if not np.isin(day, theirs).all():
        return []
    return [daily[name][np.isin(theirs, day)] for name in VARIANTS]
