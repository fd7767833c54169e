"""Counts the trials that a run is corrected for, from all that are known: pure."""

from collections.abc import Iterable, Sequence
from datetime import date
from math import comb

from schemas.contract.judgement import Recommendation
from schemas.contract.trials import CountedStudy, ScoredTrial, Trial, TrialCount

# More selections than that change no verdict.
MOST_SELECTIONS = 10**9


def count_trials(trials: Sequence[Trial], own: Trial, faults: Sequence[str]) -> TrialCount:
    """Count the configurations that share a symbol and a scored day with a run's own, this one included.

    `trials`: the oldest first. A configuration on bars that end later is a later look at the same one. The same bars,
    bars that end no later than those before, or another end date on the same bars are another configuration.

    A run on k of the n symbols that were tried before could have been any of the n-choose-k selections of them.
    """
    names = _studies_of(trials, own)
    related = [each for each in trials if each.concerns(own.symbols, own.first, own.last) or _is_of(each, names)]
    studies = tuple(_counted(name, related) for name in sorted(names))
    configurations, elsewhere = _distinct(related, own.data_dir)
    # The run itself may have lines from before it was interrupted.
    begun = min((each.time for each in trials if each.run_id == own.run_id), default=own.time)
    before = {symbol for each in related if each.time < begun for symbol in each.symbols}
    selections = min(comb(len(before), len(before & set(own.symbols))), MOST_SELECTIONS)
    # Nothing was decided about a trial of a study.
    judged = [each for each in trials if each.number is None]
    earlier = [each for each in judged if each.configuration == own.configuration and each.time < begun]
    looks = [each for each in earlier if each.kind == "scored"]
    is_promoted = any(each.recommendation is Recommendation.PROMOTE for each in earlier)
    opened = [each for each in trials if each.time < begun and _has_seen_holdout(each, own)]
    is_opening = own.is_final and not opened
    rivals = {
        each.configuration: each
        for each in related
        if each.kind == "scored" and each.configuration != own.configuration
    }
    return TrialCount(
        configurations=configurations,
        elsewhere=elsewhere,
        selections=selections,
        looks=len({each.run_id for each in looks}),
        judged_until=looks[0].judged_until if looks and not is_promoted and not is_opening else None,
        opened_from=own.holdout_from if is_opening else None,
        others=tuple(
            ScoredTrial(
                run_id=each.run_id, sharpes=each.sharpes, periods_per_year=each.periods_per_year,
                returns_sha256=each.returns_sha256,
            )
            for _, each in sorted(rivals.items())
        ),
        notes=(
            *_notes(trials, own, selections, before, faults), *_on_holdout(own, opened),
            *_on_studies(studies, own),
        ),
        studies=studies,
    )  # fmt: skip


def _distinct(related: Sequence[Trial], here: str) -> tuple[int, int]:
    """How many configurations these trials are, and how many of them were made only under other data folders."""
    folders: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    newest: dict[str, Trial] = {}
    for each in related:
        latest = newest.get(each.configuration)
        if each.key not in names:
            is_look = latest is not None and each.bars_end > latest.bars_end
            names[each.key] = names[latest.key] if is_look and latest else each.key
        if latest is None or each.bars_end > latest.bars_end:
            newest[each.configuration] = each
        folders.setdefault(names[each.key], set()).add(each.data_dir)
    return len(folders), sum(here not in found for found in folders.values())


def _studies_of(trials: Iterable[Trial], own: Trial) -> set[str]:
    """Studies that chose the run's settings: the one that it names, and those that tried just these settings.

    Trial 0 of a study chooses nothing: it has the settings of the study itself.
    """
    if own.number is not None:
        return set()
    symbols, found = set(own.symbols), set[str]()
    for each in trials:
        is_equal = bool(each.number) and each.settings == own.settings and bool(symbols & set(each.symbols))
        if each.number is not None and each.study is not None and (each.study == own.study or is_equal):
            found.add(each.study)
    return found


def _is_of(trial: Trial, studies: set[str]) -> bool:
    return trial.number is not None and trial.study in studies


def _counted(name: str, related: Iterable[Trial]) -> CountedStudy:
    own = [each for each in related if _is_of(each, {name})]
    return CountedStudy(
        name=name, trials=len({each.configuration for each in own}), until=max(each.last for each in own)
    )


def _on_studies(studies: Iterable[CountedStudy], own: Trial) -> list[str]:
    return [
        f"Study {each.name} chose these settings by days before {each.until}, and this run scores days from"
        f" {own.first} on."
        for each in studies
        if own.first < each.until
    ]


def _notes(
    trials: Sequence[Trial], own: Trial, selections: int, before: set[str], faults: Sequence[str]
) -> tuple[str, ...]:
    notes = list(faults)
    if all(each.run_id == own.run_id for each in trials):
        notes.append(
            "The ledger of trials begins with this run: trials of other users, or before the ledger, are not counted."
        )
    if selections > 1:
        shared = len(before & set(own.symbols))
        notes.append(
            f"Of {len(before)} symbols that were tried before this run has {shared}, which could have been any of"
            f" {selections:,} selections; each counts as a trial."
        )
    return tuple(notes)


def holdout_of(trials: Sequence[Trial], symbols: Iterable[str], last: date) -> Trial | None:
    """The trial that holds out a day before `last`, exclusive, of one of these symbols; None if none, or it was opened.

    `trials`: the oldest first.
    """
    wanted = set(symbols)
    held: dict[str, Trial] = {}
    for each in trials:
        for symbol in wanted & set(each.symbols) if each.holdout_from is not None else ():
            if each.is_final:
                held.pop(symbol, None)
            else:
                held[symbol] = each
    found = [each for each in held.values() if each.holdout_from is not None and each.holdout_from < last]
    return min(found, key=lambda each: str(each.holdout_from), default=None)


def _has_seen_holdout(other: Trial, own: Trial) -> bool:
    is_later = own.holdout_from is not None and other.last > own.holdout_from
    return is_later and bool(set(other.symbols) & set(own.symbols))


def _on_holdout(own: Trial, opened: Sequence[Trial]) -> list[str]:
    if own.holdout_from is None:
        return []
    if opened:
        return [
            f"Days from {own.holdout_from} on are not untouched: run {opened[0].run_id} scored some of them before."
        ]
    done = "scores them for the first time" if own.is_final else "does not score them"
    return [f"Days from {own.holdout_from} on were held out; this run {done}."]
