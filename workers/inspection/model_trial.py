"""Tries models of plug-ins on few rows: made ones before a run, those of real bars for `orchestrator check`."""

from collections.abc import Iterable, Mapping

import numpy as np

from schemas.config.features import OWN_FEATURES
from schemas.config.model_kinds import ModelRole, chosen_parameters
from schemas.config.target import CLASS, Target
from schemas.contract.errors import DataError, GurukulError
from schemas.contract.requests import ModelCheck
from workers.bars.series import Floats, Ints, Series
from workers.features.chosen import features_of
from workers.models.base import Recipe
from workers.models.plugged import PluggedModel
from workers.plugins.blame import blamed
from workers.plugins.time_limit import within

TRIAL_LIMIT_S = 60.0
MOST_ROWS = 1_000


def try_out(
    own: type[PluggedModel], role: ModelRole, changes: Iterable[str], x: Floats, y: Ints, target: Target
) -> None:
    """DataError unless two fits on these rows have equal bytes, are read back as they were, and end within the limit.

    `y` is 0 or 1 per row; both classes weigh the same. As values they are 0.0 and 1.0.
    """
    parameters = chosen_parameters(role, own.declaration.facts.kind, changes)
    weight = np.where(y == 1, 0.5 / max(int(y.sum()), 1), 0.5 / max(int((y == 0).sum()), 1))
    with within(TRIAL_LIMIT_S), blamed(own.path, f"in a trial of model {own.kind}", DataError):
        soft = y if target == CLASS else y.astype(np.float64)
        own.prove(x, soft, weight / weight.mean(), Recipe(parameters, seed=0, target=target))


def check_models(
    types: Mapping[str, type[PluggedModel]], bars: Mapping[str, Series], intraday: bool
) -> tuple[ModelCheck, ...]:
    """Try each model on built-in features of the longest history's last bars: is the next close higher?"""
    if not types:
        return ()
    series = max(bars.values(), key=len)
    x = np.asarray(features_of({"": series}, OWN_FEATURES, intraday)[""], dtype=np.float64)[:-1][-MOST_ROWS:]
    y = (np.diff(series.close) > 0.0).astype(np.int64)[-MOST_ROWS:]
    return tuple(_checked(each, x, y) for each in types.values())


def _checked(own: type[PluggedModel], x: Floats, y: Ints) -> ModelCheck:
    facts = own.declaration.facts
    defaults = {each.name: each.default for each in facts.parameters}
    try:
        for target in facts.targets:
            try_out(own, facts.roles[0], (), x, y, target)
    except GurukulError as error:
        return ModelCheck(name=own.kind, roles=facts.roles, parameters=defaults, fault=str(error))
    return ModelCheck(name=own.kind, roles=facts.roles, parameters=defaults)
