"""Trials: a configuration that was tried, its line in the ledger, and how many count against a run."""

import hashlib
import json
from collections.abc import Iterable
from datetime import date
from functools import cached_property
from typing import Literal

from pydantic import Field

from schemas.contract.base import Frozen
from schemas.contract.identifiers import RunId
from schemas.contract.instant import Instant
from schemas.contract.judgement import Recommendation


class Trial(Frozen):
    """A configuration that a run trained, scored or judged, and what it was tried on.

    `settings`: SHA-256 of the settings of training, windows and costs; `code`: version and digest of the code; `bars`:
    SHA-256 of the symbols' bars, which end on `bars_end`. `start_date` and `end_date` are the run's. Students of it
    score days `[first, last)`; `judged_until` is the last of them that has a row, None before they are scored.
    Days from `holdout_from` on are held out, unless `is_final`. `sharpes` are annual Sharpe ratios by strategy, of
    `periods_per_year` returns; `returns_sha256` is the digest of the file of daily returns. `study`: the study
    whose trial this is, with its `number` in it; without a number, the study that chose the settings of a run.
    """

    kind: Literal["trained", "scored", "judged"]
    time: Instant
    run_id: RunId
    data_dir: str
    settings: str
    code: str
    symbols: tuple[str, ...]
    start_date: date
    end_date: date
    bars: str
    bars_end: date
    first: date
    last: date
    judged_until: date | None = None
    sharpes: dict[str, float] = Field(default_factory=dict)
    periods_per_year: int = 252
    returns_sha256: str | None = None
    recommendation: Recommendation | None = None
    holdout_from: date | None = None
    is_final: bool = False
    study: str | None = Field(None, exclude_if=lambda name: name is None)
    number: int | None = Field(None, exclude_if=lambda number: number is None)

    @cached_property
    def configuration(self) -> str:
        """SHA-256 of settings, code, symbols and first day: a later look at the same configuration has the same."""
        return _digest([self.settings, self.code, sorted(self.symbols), str(self.start_date)])

    @cached_property
    def key(self) -> str:
        """SHA-256 of the configuration, its last day and its bars: the same trial, made again, has the same."""
        return _digest([self.configuration, str(self.end_date), self.bars])

    @property
    def identity(self) -> tuple[str, str, str]:
        """Run, kind and time: the same line in two logs has the same."""
        return self.run_id, self.kind, self.time.isoformat()

    def concerns(self, symbols: Iterable[str], first: date, last: date) -> bool:
        """Whether it shares a symbol and a scored day with these symbols and days `[first, last)`."""
        return bool(set(self.symbols) & set(symbols)) and self.first < last and first < self.last


class TrialLine(Frozen):
    """A line of a ledger: a trial, and the digest of the line before."""

    previous_sha256: str
    trial: Trial


class ScoredTrial(Frozen):
    """A scored trial of another configuration: its Sharpe ratios, and where its daily returns are."""

    run_id: RunId
    sharpes: dict[str, float]
    periods_per_year: int
    returns_sha256: str | None


class CountedStudy(Frozen):
    """A study that chose a run's settings: its trials, and the first day after those that it scored."""

    name: str
    trials: int
    until: date


class TrialCount(Frozen):
    """`trials.json`: what a run's best result is corrected for, as the ledger had it when the run was judged.

    `configurations`: tried on any of the run's symbols and days, this run's included; `elsewhere` of them under other
    data folders. `selections`: choices of symbols that could have been made from those tried before. `looks`: earlier
    judgements of this configuration; `judged_until`: the last day that the first of them saw, None if there was none or
    one recommended to promote. `opened_from`: the first held-out day, if this run is the first that scored them.
    `notes`: what is wrong with the ledger, in sentences. `studies` chose the run's settings; their trials are among the
    configurations, although they scored earlier days.
    """

    configurations: int
    elsewhere: int
    selections: int
    looks: int
    judged_until: date | None
    opened_from: date | None
    others: tuple[ScoredTrial, ...]
    notes: tuple[str, ...]
    studies: tuple[CountedStudy, ...] = Field((), exclude_if=lambda found: not found)

    @property
    def trials(self) -> int:
        """The number that tests are corrected for: configurations, and each selection of symbols but the first."""
        return self.configurations + self.selections - 1


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
