"""Every kind of model finds a planted signal, and has no skill on random walks, as a teacher and as a student."""

import pytest

from schemas.config.model_kinds import ModelRole
from tests.controls.harness import Pooled, pool, walk_forward
from tests.controls.worlds import mean_reverting, random_walk
from tests.strategies import training_settings
from tests.workers.models.kinds import kinds

WINDOW_DAYS = 240
# The default kinds have controls of their own, with more windows.
OTHERS = [each for each in kinds("teacher", "student") if each.id not in ("teacher-xgboost", "student-logistic")]


def pooled(kind: str, role: ModelRole, planted: bool) -> Pooled:
    """The scored rows of a symbol's windows, with this kind in one role."""
    world = mean_reverting(1_100, 3) if planted else random_walk(1_100, 5)
    settings = training_settings(horizon_bars=1, **{role: kind})
    return pool(walk_forward({"S": world}, settings, WINDOW_DAYS, WINDOW_DAYS))


@pytest.mark.parametrize(("kind", "role"), OTHERS)
def test_a_planted_signal_is_found(kind: str, role: ModelRole) -> None:
    """Where `return_5` predicts the next day, the student gains on the base rate, and the teacher ranks the days."""
    found = pooled(kind, role, planted=True)
    gain, error = found.gain("student", "prior")
    assert gain > 2.0 * error
    assert found.auc(role) > 0.56


@pytest.mark.parametrize(("kind", "role"), OTHERS)
def test_there_is_no_skill_on_a_random_walk(kind: str, role: ModelRole) -> None:
    """Log loss is not below that of the base rates, but for 0.3 % by luck, and days are not ranked."""
    found = pooled(kind, role, planted=False)
    assert found.skill("student") <= 0.003
    assert abs(found.auc(role) - 0.5) < 0.06
