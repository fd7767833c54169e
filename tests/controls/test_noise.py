"""On random walks no model has skill, unless its split leaks."""

import numpy as np
import pytest

from tests.controls.harness import Pooled, Trained, auc, pool, shuffled_auc, walk_forward
from tests.controls.worlds import random_walk
from tests.strategies import QUICK, training_settings

WINDOW_DAYS = 180  # about 122 labelled rows, and as many scored ones after them
WALKS = range(1, 12, 3) if QUICK else range(12)
MODELS = ("student", "alone", "teacher")


@pytest.fixture(scope="module")
def trained() -> list[Trained]:
    """Random walks, windows as by default; labels are the sign of the return, so that both classes are common."""
    walks = {f"WALK{seed}": random_walk(1500, seed) for seed in WALKS}
    settings = training_settings(threshold=0.0)
    return walk_forward(walks, settings, WINDOW_DAYS, WINDOW_DAYS)


@pytest.fixture(scope="module")
def pooled(trained: list[Trained]) -> Pooled:
    return pool(trained)


def test_there_are_windows_enough_to_tell(pooled: Pooled) -> None:
    """108 windows are pooled, with overlapping labels about 2,500 rows of their own; in `make check` a third."""
    assert pooled.windows == 9 * len(WALKS)
    assert len(pooled.y) > 1_000 * len(WALKS)
    assert 0.45 < pooled.y.mean() < 0.55


@pytest.mark.parametrize("model", MODELS)
def test_no_model_ranks_the_days_of_a_random_walk(pooled: Pooled, model: str) -> None:
    """Pooled out-of-sample AUC is 0.5 within 0.03, of students and of teachers.

    Over three sets of walks it was 0.506 to 0.510 of students, 0.500 to 0.513 of teachers.
    """
    assert pooled.auc(model) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("model", MODELS)
def test_no_model_has_skill_on_a_random_walk(pooled: Pooled, model: str) -> None:
    """Log loss is not below that of the base rates, but for 0.1 % by luck: a model of noise can only be worse.

    Students that add next to nothing differ from the base rate by chance in either direction, here by 0.01 %.
    """
    assert pooled.skill(model) <= 0.001


def test_the_choice_of_a_teacher_costs_little_on_a_random_walk(pooled: Pooled) -> None:
    """A student loses at most 0.2 % to the base rate, a teacher, which nothing shrinks, far more."""
    assert pooled.skill("student") > -0.002 > -0.01 > pooled.skill("teacher")


def test_noise_is_shrunk_to_nothing(trained: list[Trained]) -> None:
    """Little of a slope is kept on average, and most students, unsure like their teachers, never trade.

    0.047 over these 108 windows; 0.035 to 0.061 over four other sets, 0.043 over all 540.
    """
    kept = np.array([each.student.fitted.shrinkage.kept for each in trained])
    assert kept.mean() < 0.05
    assert (kept == 0).mean() > 0.5
    students = [each.student for each in trained]
    unsure = [each for each in students if not (each.fitted.shrinkage.sure or each.fitted.teacher.sure)]
    assert len(unsure) > len(trained) / 2
    assert all(each.serving.trade_above == {each.data.sample.symbols[0]: None} for each in unsure)


def test_no_out_of_fold_prediction_is_of_a_fitted_row(trained: list[Trained]) -> None:
    """Out-of-fold predictions that students receive of random walks have no skill; in-sample ones would."""
    y = np.concatenate([each.teacher.sample.y for each in trained])
    assert auc(y, np.concatenate([each.teacher.own for each in trained])) < 0.52


def test_a_shuffled_split_finds_what_is_not_there(trained: list[Trained]) -> None:
    """The control can fail: with rows of the same windows split at random, overlapping labels leak, and AUC passes 0.7.

    0.82 here, with the teacher's own parameters and all 200 rounds, which no held-out row influenced.
    """
    assert shuffled_auc(trained[::2], seed=0) > 0.7
