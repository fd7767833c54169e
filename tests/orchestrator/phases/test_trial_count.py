"""What counts as a trial: other settings, symbols, dates, bars or code; not the same again, nor a later look."""

from datetime import date, timedelta
from math import comb
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.phases.trial_count import MOST_SELECTIONS, count_trials, holdout_of
from schemas.contract.trials import Trial, TrialCount
from tests.strategies import examples
from tests.trials import trial

SYMBOLS = tuple(f"S{number}" for number in range(36))


def counted(*trials: Trial) -> TrialCount:
    """The count for the last of these trials."""
    return count_trials(trials, trials[-1], ())


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": "t"},
        {"code": "2"},
        {"start_date": date(2022, 2, 1)},
        {"end_date": date(2023, 12, 1)},
        {"bars": "c"},
        {"symbols": ("A", "B", "C")},
        {"kind": "trained", "settings": "t"},
    ],
    ids=lambda changes: " ".join(changes),
)
def test_whatever_is_chosen_counts(changes: dict[str, Any]) -> None:
    """A run on the same days that differs in one of these is one more configuration, whichever of the two is first."""
    assert counted(trial(0, **changes), trial(1)).configurations == 2
    assert counted(trial(1), trial(2, **changes)).configurations == 2


def test_the_same_trial_again_counts_once() -> None:
    """Trained and scored, repeated, and under another data folder: one configuration."""
    found = counted(trial(0, kind="trained"), trial(1), trial(2, data_dir="/there"), trial(3))
    assert (found.trials, found.elsewhere, found.others) == (1, 0, ())


def test_a_later_look_is_no_further_trial() -> None:
    """The same configuration on bars that go on is one trial; the days of its first judgement are known."""
    later = {
        "bars": "c",
        "bars_end": date(2024, 4, 30),
        "end_date": date(2024, 4, 1),
        "judged_until": date(2024, 4, 23),
    }
    found = counted(trial(0), trial(1, **later), trial(2, **(later | {"bars": "d", "bars_end": date(2024, 7, 31)})))
    assert (found.trials, found.looks, found.judged_until) == (1, 2, date(2024, 1, 24))
    assert counted(trial(0), trial(1, **later), trial(2, bars="older", bars_end=date(2024, 3, 31))).trials == 2


def test_a_look_after_a_promotion_needs_no_new_evidence() -> None:
    """The first judgement's last day is named only while no judgement of the configuration has promoted it."""
    later = {"bars": "c", "bars_end": date(2024, 4, 30), "judged_until": date(2024, 4, 23)}
    held, promoted = (trial(1, kind="judged", run_id="r0", recommendation=each) for each in ("hold", "promote"))
    assert counted(trial(0), held, trial(2, **later)).judged_until == date(2024, 1, 24)
    assert counted(trial(0), promoted, trial(2, **later)).judged_until is None
    assert counted(trial(0), promoted, trial(2, **(later | {"settings": "t"}))).looks == 0


@pytest.mark.parametrize(
    "changes", [{"symbols": ("X",)}, {"first": date(2024, 2, 1), "last": date(2024, 3, 1)}], ids=["symbols", "days"]
)
def test_other_symbols_or_days_do_not_count(changes: dict[str, Any]) -> None:
    """A trial that shares no symbol, or no scored day, could not have been chosen instead."""
    assert counted(trial(0, settings="t", **changes), trial(1)).trials == 1


def test_symbols_chosen_after_looking_count_as_selections() -> None:
    """The best 5 of 36 could have been any of 376,992 selections; the 36 after the 5 are one more configuration."""
    few, all_of_them = trial(1, symbols=SYMBOLS[:5]), trial(0, symbols=SYMBOLS)
    found = counted(all_of_them, few)
    assert (found.configurations, found.selections, found.trials) == (2, comb(36, 5), 2 + comb(36, 5) - 1)
    said = "Of {} symbols that were tried before this run has {}, which could have been any of {} selections; each"
    assert any(said.format(36, 5, "376,992") in note for note in found.notes)
    two_of_three = counted(trial(0, symbols=(*SYMBOLS[:2], "X")), trial(1, symbols=SYMBOLS))
    assert two_of_three.selections == 3 and any(said.format(3, 2, 3) in note for note in two_of_three.notes)
    assert counted(trial(0, symbols=SYMBOLS[:5]), trial(1, symbols=SYMBOLS)).trials == 2
    assert counted(trial(0, symbols=SYMBOLS), trial(1, symbols=SYMBOLS[:18])).selections == MOST_SELECTIONS


def test_a_resumed_run_is_not_chosen_from_itself() -> None:
    """Lines that a run has from before it was interrupted are neither looks nor earlier symbols."""
    found = counted(trial(0, run_id="own", symbols=SYMBOLS), trial(1, run_id="own", symbols=SYMBOLS))
    assert (found.trials, found.looks, found.selections) == (1, 0, 1)


def test_trials_of_other_folders_count_and_are_named() -> None:
    """A fresh data folder does not begin at one; a fresh ledger is reported."""
    found = counted(trial(0, settings="t", data_dir="/there", sharpes={"student": 1.0}), trial(1))
    assert (found.trials, found.elsewhere) == (2, 1)
    assert [each.sharpes for each in found.others] == [{"student": 1.0}]
    assert found.notes == ()
    assert any("begins with this run" in note for note in counted(trial(0)).notes)


HELD = date(2023, 7, 1)
HOLDING = {"holdout_from": HELD, "last": HELD, "judged_until": date(2023, 6, 30)}


def test_days_are_held_out_until_a_final_run() -> None:
    """Per symbol: the earliest held-out day before the last one of a plan counts; a final run opens its symbols."""
    holding, later = trial(0, **HOLDING), trial(1, holdout_from=date(2023, 9, 1), symbols=("B", "C"))
    assert holdout_of([holding], ("B",), date(2023, 7, 2)) == holding
    assert holdout_of([holding], ("B",), HELD) is None and holdout_of([holding], ("X",), date(2024, 1, 1)) is None
    opened = trial(2, holdout_from=HELD, is_final=True, symbols=("A",))
    assert holdout_of([holding, opened], ("A",), date(2024, 1, 1)) is None
    assert holdout_of([holding, later, opened], ("A", "B"), date(2024, 1, 1)) == later


def test_the_final_run_is_the_first_on_its_days() -> None:
    """It is judged by them alone; days that another run of a symbol has scored are not untouched, which is reported."""
    holding, final = trial(0, **HOLDING), trial(2, holdout_from=HELD, is_final=True)
    found = counted(holding, final)
    assert (found.trials, found.looks, found.judged_until, found.opened_from) == (1, 1, None, HELD)
    assert any("scores them for the first time" in note for note in found.notes)
    assert any("does not score them" in note for note in counted(holding).notes)
    spoiled = counted(trial(0, settings="t", symbols=("B", "Z")), trial(1, **HOLDING), final)
    assert (spoiled.opened_from, spoiled.judged_until) == (None, date(2023, 6, 30))
    assert any("not untouched: run r0 scored" in note for note in spoiled.notes)


@examples(100)
@given(
    data=st.lists(
        st.tuples(st.sampled_from("st"), st.sampled_from(["A", "AB", "ABC", "BC"]), st.integers(0, 3)), min_size=1
    )
)
def test_a_line_more_never_lowers_the_count(data: list[tuple[str, str, int]]) -> None:
    """The count for a run does not fall when trials before it are added, and is at least one."""
    lines = [
        trial(n, settings=s, symbols=tuple(names), bars=str(day), bars_end=date(2024, 1, 31) + timedelta(days=day))
        for n, (s, names, day) in enumerate(data)
    ]
    own = lines[-1]
    counts = [count_trials([*lines[:n], own], own, ()).configurations for n in range(len(lines))]
    assert counts[0] == 1
    assert counts == sorted(counts)


STUDY = {"start_date": date(2018, 1, 1), "first": date(2019, 1, 1), "last": date(2022, 1, 1)}


def of_study(number: int, **changes: Any) -> Trial:
    """A trial of study `s`, on days before those of other trials."""
    return trial(number, **({"study": "s", "number": number, "settings": f"t{number}"} | STUDY | changes))


def test_the_trials_of_the_study_that_chose_a_run_count() -> None:
    """Although they scored earlier days: if the run names the study, or has just the settings of one of its trials."""
    tried = [of_study(number) for number in range(4)]
    named = counted(*tried, trial(9, study="s"))
    assert (named.configurations, [(each.name, each.trials) for each in named.studies]) == (5, [("s", 4)])
    assert named.studies[0].until == date(2022, 1, 1)
    assert counted(*tried, trial(9, settings="t3")).configurations == 5
    for other in (trial(9), trial(9, settings="t0"), trial(9, settings="t3", symbols=("C",))):
        assert (counted(*tried, other).configurations, counted(*tried, other).studies) == (1, ())


def test_a_trial_of_a_study_is_no_earlier_judgement() -> None:
    """A run with the settings and dates of the study itself needs no evidence beside its own."""
    found = counted(of_study(0, settings="s", start_date=date(2022, 1, 1)), trial(9))
    assert (found.configurations, found.looks, found.judged_until) == (1, 0, None)


def test_a_run_that_scores_days_of_its_study_has_a_note() -> None:
    """Where a run has the settings of a trial by chance or by hand, nothing refuses its dates."""
    found = counted(of_study(1, last=date(2023, 1, 1)), trial(9, settings="t1"))
    assert "Study s chose these settings by days before 2023-01-01" in found.notes[-1]
    assert counted(of_study(1), trial(9, settings="t1")).notes == ()


def test_an_ordinary_line_of_the_ledger_has_no_field_of_a_study() -> None:
    """Lines and counts of runs without a study are what they were."""
    assert not {"study", "number"} & trial().model_dump().keys()
    assert "studies" not in counted(trial()).model_dump()
