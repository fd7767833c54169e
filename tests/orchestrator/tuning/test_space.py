"""The space of a study: what its file may hold, and the settings that values of it make."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestrator.tuning.space import configured, read_space, unchanged
from orchestrator.tuning.trial_config import trial_config
from schemas.config.features import Plugged, Plugin
from schemas.config.run import RunConfig
from schemas.config.tuning import Choices, Numbers, Objective, Space, StudySettings, TuneConfig
from schemas.contract.errors import RequestError
from schemas.contract.study import Study

DATES = {"start_date": date(2020, 1, 1), "end_date": date(2024, 1, 1)}


def config(**changes: Any) -> RunConfig:
    return RunConfig.model_validate(DATES | changes)


def read(folder: Path, text: str, objective: Objective = "log-loss", **changes: Any) -> Space:
    path = folder / "space.toml"
    path.write_text(text, encoding="utf-8")
    return read_space(path, config(**changes), objective)


def test_tables_name_settings_and_parameters(tmp_path: Path) -> None:
    """A table of a role chooses its kind and holds tables of its parameters; kinds come first in the space."""
    space = read(
        tmp_path,
        '[student.ridge]\nlow = 1\nhigh = 500\nlog = true\n[teacher]\nchoices = ["xgboost", "random-forest"]\n'
        "[teacher.max_depth]\nlow = 2\nhigh = 6\nstep = 2\n",
    )
    assert list(space) == ["teacher", "student.ridge", "teacher.max_depth"]
    assert space["teacher"] == Choices(choices=("xgboost", "random-forest"))
    assert space["teacher.max_depth"] == Numbers(low=2, high=6, step=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# a space\n[teacher.max_deep]\nlow = 1\nhigh = 3", "space.toml line 2: teacher.max_deep is no parameter of"),
        ("[seed]\nlow = 1\nhigh = 3", "line 1: seed cannot be varied; these can: label,"),
        ("[teacher.max_depth]\nlow = 2\nhigh = 13", "line 1: teacher.max_depth = 13 is not possible"),
        ("[teacher.max_depth]\nlow = 1.5\nhigh = 3", "teacher.max_depth 1.5 is not a whole number"),
        ("[student.ridge]\nlow = 5", "student.ridge high is missing; write low and high, or choices"),
        ("[student.ridge]\nlow = 5\nhigh = 1", "low 5 is not below high 1"),
        ("[student.ridge]\nlow = 0\nhigh = 1\nlog = true", "log = true needs a low above 0, not 0"),
        ("[student.ridge]\nlow = 0\nhigh = 1\nstep = 0.3", "high 1 is not low 0 and a whole number of steps of 0.3"),
        ('[student.ridge]\nlow = "a"\nhigh = 1', "student.ridge low is not a number"),
        ("[student.ridge]\nlow = 1\nhigh = 2\nlogs = true", "student.ridge logs is not a setting"),
        ('[teacher]\nchoices = ["xgbost"]', "teacher = xgbost is not possible: 'xgbost' is not a kind of teacher"),
        ("[lookback]\nlow = 1\nhigh = 3", "lookback takes no numbers; give choices"),
        ("horizon = 3", "line 1: horizon is not a table"),
        ("", "varies nothing; write a table such as [teacher.max_depth]"),
        ("[horizon", "is not TOML"),
        ("a = " + "[" * 10_000, "nests its values too deeply"),
        ("[horizon]\nlow = 3\nhigh = 6", "line 1: horizon changes what a label asks"),
    ],
    ids=lambda value: value.splitlines()[-1] if "\n" in value else value[:12],
)
def test_a_faulty_space_is_refused_by_line_and_key(tmp_path: Path, text: str, words: str) -> None:
    """What is wrong with a table, or with a value at an end of it, is found before anything starts."""
    with pytest.raises(RequestError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)


def test_labels_may_vary_where_alpha_is_the_objective(tmp_path: Path) -> None:
    """Books of other labels can be compared, their log losses cannot."""
    assert read(tmp_path, "[horizon]\nlow = 3\nhigh = 6", "alpha") == {"horizon": Numbers(low=3, high=6)}


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """Like every file that a flag names."""
    with pytest.raises(RequestError, match=r"cannot be read: .*; check --space"):
        read_space(tmp_path / "none.toml", config(), "log-loss")


def test_chosen_values_replace_the_run_s_own() -> None:
    """Values of `--set` that are chosen, or that the chosen kind of model lacks, are left out; others stay."""
    run = config(set="teacher.max_depth=4,teacher.min_child_weight=7,student.ridge=50", horizon=7)
    found = configured(run, {"teacher": "random-forest", "teacher.max_depth": 6, "threshold": 0.01})
    assert (found.teacher, found.threshold, found.horizon) == ("random-forest", 0.01, 7)
    assert found.set == ("teacher.max_depth=6", "student.ridge=50.0")
    assert configured(run, {}) == run


def test_values_that_do_not_go_together_are_refused() -> None:
    """As for a run."""
    with pytest.raises(RequestError, match="needs --scope panel"):
        configured(config(), {"privileged": "cross-section"})


def test_the_values_without_a_change_are_known() -> None:
    """Of the settings and parameters that the run has; the first trial has them."""
    space: Space = {
        "features": Choices(choices=("own", "minimal")),
        "teacher.max_depth": Numbers(low=2, high=6),
        "teacher.num_leaves": Numbers(low=2, high=6),
    }
    assert unchanged(space, config(set="teacher.max_depth=5")) == {"features": "own", "teacher.max_depth": 5}


def test_a_label_of_a_plug_in_is_chosen_for_the_whole_study(tmp_path: Path) -> None:
    """Each trial keeps the plug-in that defines the label; another horizon, or the label in the space, is refused."""
    paths = [tmp_path / name for name in ("ideas.py", "others.py")]
    for path in paths:
        path.write_text("")
    plugins = (Plugin(name="ideas", sha256="0", labels=("mine", "two")), Plugin(name="others", sha256="0"))
    plugged = Plugged(timezone="UTC", plugins=plugins)
    run = config(label="mine", horizon=7, plugins=tuple(map(str, paths)), plugged=plugged)
    study = Study(settings=StudySettings(tune_end=date(2023, 1, 1)), space={}, plugins={"own": ()})
    trial = trial_config(run, study, {"student.ridge": 3.0})
    assert trial.plugged is not None and trial.plugged.plugins == plugins[:1] and trial.plugins == (str(paths[0]),)
    for chosen in ({"label": "two"}, {"horizon": 8}):
        with pytest.raises(RequestError, match="is of a plug-in and declares its horizon; choose it with --label"):
            configured(run, chosen)


def test_a_study_s_run_knows_which_settings_were_given() -> None:
    """A horizon that was not given is that of the label; --horizon beside a label of a plug-in is compared with it."""
    study = TuneConfig.model_validate(DATES | {"tune_end": date(2023, 1, 1), "space": "space.toml", "seed": 7})
    run = study.run_config()
    assert run == config(seed=7) and "seed" in run.model_fields_set and "horizon" not in run.model_fields_set
