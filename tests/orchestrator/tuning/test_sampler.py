"""The choice of configurations: a function of space, seed, number and the trials before."""

from collections.abc import Sequence
from datetime import date
from math import log

from orchestrator.tuning.sampler import importances, is_hopeless, suggest
from schemas.config.run import RunConfig
from schemas.config.tuning import Choices, Numbers, Space, StudySettings, Value
from schemas.contract.study import StudyTrial, TrialState

CONFIG = RunConfig(start_date=date(2020, 1, 1), end_date=date(2024, 1, 1))
SETTINGS = StudySettings(tune_end=date(2023, 1, 1))
SPACE: Space = {
    "teacher": Choices(choices=("xgboost", "random-forest")),
    "student.ridge": Numbers(low=1, high=1000, log=True),
    "teacher.max_depth": Numbers(low=2, high=6, step=2),
    "teacher.min_samples_leaf": Numbers(low=5, high=50),
}


def ended(number: int, value: float | None, chosen: dict[str, Value], steps: Sequence[float]) -> StudyTrial:
    state = TrialState.PRUNED if value is None else TrialState.COMPLETE
    return StudyTrial(
        number=number, run_id=f"s.t{number:04}", chosen=chosen, state=state, value=value, steps=tuple(steps)
    )


def search(count: int) -> list[StudyTrial]:
    """A study whose best ridge is 30."""
    found: list[StudyTrial] = []
    for number in range(count):
        chosen = suggest(SPACE, CONFIG, SETTINGS, number, found)
        ridge = chosen.get("student.ridge", 100.0)
        assert isinstance(ridge, float)
        value = -abs(log(ridge / 30))
        found.append(ended(number, value, chosen, [value, value]))
    return found


def test_a_choice_is_a_function_of_what_is_known() -> None:
    """The first trial changes nothing, others stay inside the space, a parameter goes with its kind; asked again, the
    same; and the search finds what is better.
    """
    found = search(14)
    assert found[0].chosen == {}
    for each in found[1:]:
        assert set(each.chosen) == set(SPACE) - (
            {"teacher.min_samples_leaf"} if each.chosen["teacher"] == "xgboost" else set()
        )
        assert each.chosen["teacher.max_depth"] in (2, 4, 6)
    assert {each.chosen["teacher"] for each in found[1:]} == {"xgboost", "random-forest"}
    assert suggest(SPACE, CONFIG, SETTINGS, 13, found[:13]) == found[13].chosen
    assert suggest(SPACE, CONFIG.model_copy(update={"seed": 7}), SETTINGS, 13, found[:13]) != found[13].chosen
    assert suggest(SPACE, CONFIG, SETTINGS, 13, found[:12]) != found[13].chosen
    shares = importances(SPACE, CONFIG, found)
    assert max(shares, key=lambda name: shares[name]) == "student.ridge"


def test_random_choices_ignore_the_trials_before() -> None:
    """`--sampler random`."""
    settings = SETTINGS.model_copy(update={"sampler": "random"})
    assert suggest(SPACE, CONFIG, settings, 3, search(3)) == suggest(SPACE, CONFIG, settings, 3, [])


def test_a_trial_below_the_median_ends() -> None:
    """From the second step on, against four complete trials; not with another objective, nor without a pruner."""
    found = [ended(number, number / 10, {}, [number / 10] * 3) for number in range(4)]

    def hopeless(steps: Sequence[float | None], known: list[StudyTrial] = found, **changes: str) -> bool:
        return is_hopeless({}, CONFIG, SETTINGS.model_copy(update=changes), known, steps)

    assert hopeless([0.1, 0.1]) and not hopeless([0.1]) and not hopeless([0.1, 0.2])
    assert not hopeless([0.1, 0.1], found[:3]) and not hopeless([0.1, None])
    assert not hopeless([0.1, 0.1], pruner="none") and not hopeless([0.1, 0.1], objective="alpha")
