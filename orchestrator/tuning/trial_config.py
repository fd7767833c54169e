"""The settings of one trial: those of the run, what the trial changed, and the plug-ins that it uses."""

from collections.abc import Mapping

from orchestrator.runs.plugins import ask_about
from orchestrator.tuning.space import configured
from schemas.config.features import SETS
from schemas.config.run import RunConfig
from schemas.config.tuning import Choices, Space, Value
from schemas.contract.plugin_source import plugin_name
from schemas.contract.study import Study


def trial_config(config: RunConfig, study: Study, chosen: Mapping[str, Value]) -> RunConfig:
    """The run with a trial's settings. RequestError if they do not go together."""
    found = configured(config, chosen)
    if config.plugged is None:
        return found
    by_features = {plugin_name(path) for path in study.plugins[_choice(found)]}
    kinds = {found.teacher, found.student}
    used = tuple(
        each
        for each in config.plugged.plugins
        if each.name in by_features
        or found.label in each.labels
        or not kinds.isdisjoint(model.name for model in each.models)
    )
    plugged = config.plugged.model_copy(update={"plugins": used}) if used else None
    names = {each.name for each in used} | {each.plugin for each in config.own_gates}
    names |= {config.own_source.plugin} if config.own_source is not None else set()
    plugins = tuple(path for path in config.plugins if plugin_name(path) in names)
    return found.model_copy(update={"plugins": plugins, "plugged": plugged})


def plugins_by_features(config: RunConfig, space: Space) -> dict[str, tuple[str, ...]]:
    """The plug-in files that each choice of features uses. RequestError for a faulty plug-in or an unknown feature."""
    domain = space.get("features")
    choices = domain.choices if isinstance(domain, Choices) else ()
    found = {}
    for values in ({}, *({"features": choice} for choice in choices)):
        one = configured(config, values)
        names = one.feature_set.names
        idle = config.plugins if all(name in SETS for name in names) else ask_about(names, config.plugins).idle
        found[_choice(one)] = tuple(path for path in config.plugins if path not in idle)
    return found


def _choice(config: RunConfig) -> str:
    return ",".join(config.feature_set.names)
