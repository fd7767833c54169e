"""Every kind of model finds a planted signal, and has no skill on random walks, in every role that it can have."""

from collections.abc import Iterator
from typing import Any

import pytest

from schemas.config.features import Plugged
from schemas.config.model_kinds import KINDS, ROLES, kinds_of
from tests.controls.harness import Pooled, pool, walk_forward
from tests.controls.worlds import mean_reverting, random_walk
from tests.strategies import training_settings
from tests.workers.models.centres import CENTRES, plug_in
from tests.workers.models.kinds import kinds

WINDOW_DAYS = 240
# The default kinds have controls of their own, with more windows. Others are tried in both roles at once.
OTHERS = [each for each in kinds("student") if each.id != "logistic"]
# Scikit-learn's kinds take long. A few trees find what is there; of histograms, most of the time goes into their bins.
SLOW = {"random-forest": "trees=20", "extra-trees": "trees=20", "hist-boosting": "max_bin=8"}
MARKED = [
    pytest.param(*each.values, id=each.id, marks=[*each.marks, *[pytest.mark.slow] * (each.id in SLOW)])
    for each in OTHERS
]
PLUGGED_KIND = "Centres"
EVERY = pytest.mark.parametrize("kind", [*MARKED, PLUGGED_KIND])


@pytest.fixture(scope="module")
def plugged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugged]:
    """The plug-in that `orchestrator new` writes, whose model is PLUGGED_KIND."""
    with pytest.MonkeyPatch.context() as patch:
        yield plug_in(tmp_path_factory.mktemp("plugins") / "ideas.py", CENTRES, patch)


def pooled(kind: str, planted: bool, plugged: Plugged) -> Pooled:
    """The scored rows of a symbol's windows, with this kind as the student, and as the teacher if it can be one."""
    world = mean_reverting(1_100, 3) if planted else random_walk(1_100, 5)
    roles: dict[str, Any] = {role: kind for role in ROLES if (KINDS | plugged.kinds)[kind].parameters(role) is not None}
    if kind == PLUGGED_KIND:
        roles["plugged"] = plugged
    changes = ",".join(f"{role}.{SLOW[kind]}" for role in roles if kind in SLOW)
    settings = training_settings(horizon_bars=1, set=changes, **roles)
    return pool(walk_forward({"S": world}, settings, WINDOW_DAYS, WINDOW_DAYS))


def test_every_kind_that_can_teach_can_learn() -> None:
    """So the controls below try every kind; XGBoost's student has a name of its own, booster."""
    assert set(kinds_of("teacher")) - set(kinds_of("student")) == {"xgboost"}


@EVERY
def test_a_planted_signal_is_found(kind: str, plugged: Plugged) -> None:
    """Where `return_5` predicts the next day, the student gains on the base rate, and both models rank the days."""
    found = pooled(kind, True, plugged)
    gain, error = found.gain("student", "prior")
    assert gain > 2.0 * error
    assert min(found.auc("alone"), found.auc("teacher")) > 0.56


@EVERY
def test_there_is_no_skill_on_a_random_walk(kind: str, plugged: Plugged) -> None:
    """Log loss is not below that of the base rates, but for 0.3 % by luck, and days are not ranked."""
    found = pooled(kind, False, plugged)
    assert found.skill("student") <= 0.003
    assert max(abs(found.auc(model) - 0.5) for model in ("alone", "teacher")) < 0.06
