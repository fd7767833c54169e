"""A study's search, with trials that are functions of their settings: order, kills, twins, failures."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from threading import Event

import pytest

from orchestrator.tuning.search import Run, Search
from orchestrator.tuning.study_log import best_of, read_trials
from orchestrator.tuning.trial_run import Hopeless
from schemas.config.run import RunConfig
from schemas.config.tuning import Choices, Numbers, Space, StudySettings, Value
from schemas.contract.errors import FileError, Interrupted, PhaseError
from schemas.contract.study import Study, StudyTrial, TrialState
from schemas.files.layout import RunLayout

CONFIG = RunConfig(start_date=date(2020, 1, 1), end_date=date(2024, 1, 1))
SPACE: Space = {"teacher.max_depth": Numbers(low=1, high=12), "student.ridge": Numbers(low=1, high=1000, log=True)}
PARALLEL = 3
LIMIT_S = 30.0


def study(trials: int = 9, space: Space = SPACE) -> Study:
    return Study(
        settings=StudySettings(tune_end=date(2023, 1, 1), trials=trials, parallel=PARALLEL, sampler="tpe"), space=space
    )


def scored(number: int, chosen: dict[str, Value], config: RunConfig, hopeless: Hopeless) -> StudyTrial:
    """A trial whose value follows from its settings."""
    depth, ridge = chosen.get("teacher.max_depth", 3), chosen.get("student.ridge", 100.0)
    assert isinstance(depth, int) and isinstance(ridge, float)
    value = -float(depth) - ridge / 100
    ends = hopeless([value, value])
    return StudyTrial(
        number=number, run_id=f"s.t{number:04}", chosen=chosen, value=None if ends else value, steps=(value, value),
        state=TrialState.PRUNED if ends else TrialState.COMPLETE, windows=4,
    )  # fmt: skip


def search(
    folder: Path, run: Run = scored, own: Study | None = None, tend: Callable[[], None] = lambda: None
) -> list[StudyTrial]:
    folder.mkdir(exist_ok=True)
    found = Search(RunLayout(folder), own or study(), CONFIG, run, lambda trial: None)
    return found.run(tend, lambda error: None)


def test_the_order_of_ends_changes_nothing(tmp_path: Path) -> None:
    """Of each three trials that run at once the last one begun ends first; lines are those of another order."""
    ended = [Event() for _ in range(12)]

    def backwards(number: int, chosen: dict[str, Value], config: RunConfig, hopeless: Hopeless) -> StudyTrial:
        last_of_three = number // PARALLEL * PARALLEL + PARALLEL - 1
        # Trials of the next three begin one by one, so only the first three can wait for the last of them.
        if number < last_of_three < PARALLEL:
            assert ended[number + 1].wait(LIMIT_S)
        found = scored(number, chosen, config, hopeless)
        ended[number].set()
        return found

    plain, other = search(tmp_path / "s"), search(tmp_path / "t", backwards)
    assert [each.chosen for each in plain] == [each.chosen for each in other]
    assert (tmp_path / "s/study.jsonl").read_bytes() == (tmp_path / "t/study.jsonl").read_bytes()
    assert [each.number for each in plain] == list(range(9))
    assert any(each.state is TrialState.PRUNED for each in plain)


def test_a_study_that_was_stopped_goes_on_the_same(tmp_path: Path) -> None:
    """A signal after some trials, a half-written line, and the rest in another process: the same file."""
    whole, folder = search(tmp_path / "s"), tmp_path / "t"

    def stop() -> None:
        if len(read_trials(RunLayout(folder))) >= 4:
            raise Interrupted(2)

    with pytest.raises(Interrupted):
        search(folder, tend=stop)
    ended = len(read_trials(RunLayout(folder)))
    assert 4 <= ended < 9
    with (folder / "study.jsonl").open("ab") as file:
        file.write(b'{"number":')
    run: list[int] = []

    def counted(number: int, chosen: dict[str, Value], config: RunConfig, hopeless: Hopeless) -> StudyTrial:
        run.append(number)
        return scored(number, chosen, config, hopeless)

    assert search(folder, counted) == whole
    assert sorted(run) == list(range(ended, 9))
    assert (folder / "study.jsonl").read_bytes() == (tmp_path / "s/study.jsonl").read_bytes()


def test_equal_settings_are_trained_once(tmp_path: Path) -> None:
    """A later trial with the settings of an earlier one has its result; the first of equal ones is the best."""
    run: list[int] = []

    def counted(number: int, chosen: dict[str, Value], config: RunConfig, hopeless: Hopeless) -> StudyTrial:
        run.append(number)
        return scored(number, chosen, config, hopeless)

    found = search(tmp_path / "s", counted, study(space={"teacher.max_depth": Choices(choices=(3, 4))}))
    twins = [each for each in found if each.same_as is not None]
    assert twins and len(run) == len(found) - len(twins)
    for each in twins:
        assert each.value == found[each.same_as or 0].value
    assert best_of(found) == found[0]


def test_the_first_trial_must_be_complete(tmp_path: Path) -> None:
    """Nothing could be compared with it; another trial may fail, also by what goes with what or by lost windows."""

    def failed(number: int, chosen: dict[str, Value], config: RunConfig, hopeless: Hopeless) -> StudyTrial:
        found = scored(number, chosen, config, hopeless)
        if number == bad:
            return found.model_copy(update={"state": TrialState.FAILED, "value": None, "message": "no rows"})
        return found.model_copy(update={"windows": 1}) if number == 2 else found

    bad = 0
    with pytest.raises(PhaseError, match="without a change cannot be scored: no rows"):
        search(tmp_path / "s", failed)
    bad = 1
    found = search(tmp_path / "t", failed)
    assert [each.state for each in found[1:3]] == [TrialState.FAILED, TrialState.FAILED]
    assert found[2].message == "it scored 1 windows, and trial 0 4"


def test_lines_that_are_damaged_or_missing_are_named(tmp_path: Path) -> None:
    """Nothing is chosen from half a record."""
    search(tmp_path / "s")
    path = tmp_path / "s/study.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[1:]))
    with pytest.raises(FileError, match="line 1 is trial 1: lines were removed"):
        read_trials(RunLayout(tmp_path / "s"))
    path.write_bytes(b"{}\n")
    with pytest.raises(FileError, match="line 1 is damaged"):
        read_trials(RunLayout(tmp_path / "s"))
