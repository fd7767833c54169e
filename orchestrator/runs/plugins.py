"""The plug-ins of a run: found, loaded once in a process of their own, and compared when the run goes on.

This process never runs their code.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.bars.zone import calendar_of, zone_of
from orchestrator.runs.side import read_side, side_choice
from orchestrator.runs.worker_process import ask
from schemas.config.bars import BarsConfig, IngestConfig, OwnSource
from schemas.config.features import OWN, RANK, SETS, Plugged
from schemas.config.model_kinds import KINDS, ROLES
from schemas.config.run import RunConfig
from schemas.config.sources import own_source
from schemas.config.training import FIXED
from schemas.contract.artifact import RunManifest
from schemas.contract.coverage import CoverageTable
from schemas.contract.errors import RequestError
from schemas.contract.plugin_source import plugin_digests, plugin_paths
from schemas.contract.requests import ChosenModel, LabelFacts, PluginQuestion, PluginReport
from schemas.contract.side import SideCoverage
from schemas.contract.wrong_value import fault

# A little more than the worker's own limits, for the import and a trial of two models, whose messages name the line.
LIMIT_S = 195.0


def ask_about(
    features: Sequence[str], plugins: Sequence[str], models: Sequence[ChosenModel] = (), label: str = FIXED,
    source: str = "", *, trains: bool = False,
) -> PluginReport:  # fmt: skip
    """What plug-ins define, and the columns of `features`. RequestError, with the user's line, for a faulty one."""
    question = PluginQuestion(features=tuple(features), models=tuple(models), label=label, source=source, trains=trains)
    return ask("plugins", question, PluginReport, plugins, LIMIT_S)


def with_declared_kinds(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with what their plug-ins declare, if a teacher or a student is none of the built-in kinds.

    So kinds and parameters of plug-ins are validated as those of this program are.
    """
    kinds = [values.get(role) for role in ROLES]
    own = [kind for kind in kinds if kind and isinstance(kind, str) and kind not in KINDS]
    paths = plugin_paths(values.get("plugins") or ())
    if not own or not paths:
        return dict(values)
    found = ask_about((), paths)
    return {**values, "plugged": Plugged(timezone="UTC", plugins=found.plugins)}


def with_plugins(
    config: RunConfig, scratch: Path | None = None, *, idle: bool = False, known: CoverageTable | None = None
) -> tuple[RunConfig, tuple[SideCoverage, ...]]:
    """The config with the digests of its plug-ins and side data, and what these hold; they are stored below `scratch`.

    The horizon is the one that its label declares. RequestError for a faulty plug-in or file, an unknown feature or
    label, one that reads later bars, another --horizon, and side data that neither a feature nor the label reads or
    that are missing. `idle`: also with plug-ins that it does not use; without it they are refused. `known`: stored
    bars, of a run that ingests none.
    """
    names = config.feature_set.names
    if not (config.plugins or config.side) and all(name in SETS for name in names):
        return config, ()
    kinds = {"teacher": config.teacher, "student": config.student}
    chosen = [
        ChosenModel(role=role, kind=kinds[role], changes=config.set) for role in ROLES if kinds[role] not in KINDS
    ]
    found = ask_about(names, config.plugins, chosen, config.label, own_source(config.source), trains=True)
    for path, flag in found.idle.items() if not idle else ():
        raise RequestError(f"the run uses nothing of {path}; add {flag}, or leave the file out of --plugins")
    used = {name.removeprefix(RANK) for name in found.columns}
    features = [each for each in found.features if each.name in used]
    labels = [each for each in found.labels if each.name == config.label]
    zone, calendar = zone_of(config, known), calendar_of(config, known)
    side = read_side(config, zone, [*features, *labels], scratch)
    plugged = Plugged(
        timezone=zone, plugins=found.plugins, side=side_choice(calendar, config.interval, side, features),
        label_side=side_choice(calendar, config.interval, side, labels),
    ) if found.plugins else None  # fmt: skip
    filled = config.model_copy(
        update={"plugged": plugged, "own_gates": found.gates, "own_source": _chosen(config, found)}
    )
    refuse_adjusted_twice(filled)
    return (_with_horizon(filled, labels[0]) if labels else filled), side


def with_own_source(config: IngestConfig) -> IngestConfig:
    """The config with the digest of the plug-in that reads its bars. RequestError for a faulty or an idle plug-in."""
    if not config.plugins:
        return config
    if not (name := own_source(config.source)):
        raise RequestError("ingest uses only the sources of plug-ins; add --source plugin:NAME, or leave out --plugins")
    found = ask_about((OWN,), config.plugins, source=name)
    filled = config.model_copy(update={"own_source": _chosen(config, found)})
    refuse_adjusted_twice(filled)
    return filled


def _chosen(config: BarsConfig, found: PluginReport) -> OwnSource | None:
    """The plug-in's source that reads the bars of a config; None if they are of another kind."""
    return next((each for each in found.sources if each.name == own_source(config.source)), None)


def refuse_adjusted_twice(config: BarsConfig) -> None:
    """RequestError if corporate actions are given for prices that a plug-in's source has adjusted."""
    if config.corporate_actions and config.own_source is not None and config.own_source.adjusted:
        raise RequestError(f"bars of {config.source} are adjusted already; leave --corporate-actions out")


def _with_horizon(config: RunConfig, label: LabelFacts) -> RunConfig:
    """The config with the horizon that its label declares. RequestError if another was given, or none can work."""
    if "horizon" in config.model_fields_set and config.horizon != label.horizon_bars:
        raise RequestError(
            f"--horizon {config.horizon}: label {label.name} of {label.source} declares horizon={label.horizon_bars};"
            " leave --horizon out, or change the declaration"
        )
    given = {name: getattr(config, name) for name in config.model_fields_set | {"plugged", "own_gates", "own_source"}}
    try:
        return RunConfig.model_validate(given | {"horizon": label.horizon_bars})
    except ValidationError as error:
        raise RequestError(f"label {label.name} of {label.source}: {fault(error.errors()[0])}") from None


def refuse_other_plugins(manifest: RunManifest) -> None:
    """RequestError if a plug-in that this host's workers will load is not the one that the run recorded."""
    config = manifest.config
    if not config.plugins or not config.local_workers:
        return
    began = config.plugin_digests
    for path, (name, now) in zip(config.plugins, plugin_digests(config.plugins).items(), strict=True):
        if name not in began:
            raise RequestError(
                f"{manifest.run_id}/run.json has no digest of {path}, so it may have changed since the run began; start"
                " a new run with --reuse"
            )
        if began[name] != now:
            raise RequestError(
                f"{path} has changed since run {manifest.run_id} began: what it trains now would not match; restore it,"
                " or start a new run with --reuse"
            )
