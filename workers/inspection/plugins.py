"""What the plug-ins of this process define, within a limit of time."""

import difflib
from collections.abc import Mapping, Sequence

import numpy as np

from schemas.config.features import RANK, FeatureChoice, Plugged, Plugin
from schemas.config.target import VALUE
from schemas.config.training import LABELS
from schemas.contract.errors import GurukulError, RequestError
from schemas.contract.plugin_declarations import (
    Declaration,
    GateDeclaration,
    LabelDeclaration,
    ModelDeclaration,
    SourceDeclaration,
)
from schemas.contract.requests import ChosenModel, FeatureFacts, LabelFacts, PluginQuestion, PluginReport
from workers.bars.sources.plugged import sources_here
from workers.features.chosen import names_of
from workers.features.plugged import PluggedFeature, features_here
from workers.features.registry import FEATURES, Feature
from workers.inspection.early_check import early_fault
from workers.inspection.model_trial import try_out
from workers.judging.plugged_gate import gates_here
from workers.learning.plugged_label import PluggedLabel, labels_here
from workers.models.base import random_rows
from workers.models.plugged import PluggedModel, plugged_types
from workers.plugins.loading import LoadedPlugin, plugins_here
from workers.plugins.time_limit import within

IMPORT_LIMIT_S = 60.0


def inspect(question: PluginQuestion) -> PluginReport:
    """Load the plug-ins and list all features and labels; a fault is returned as one sentence in `error`."""
    try:
        with within(IMPORT_LIMIT_S):
            loaded, own, labels = plugins_here(), features_here(), labels_here()
            kinds, gates, sources = plugged_types(), gates_here(), sources_here()
        # What is trained depends on the bars that a source reads, not on its code, and on no gate.
        plugins = tuple(_described(each, own) for each in loaded.values() if _trained(each))
        # No column depends on the time zone.
        plugged = Plugged(timezone="UTC", plugins=plugins) if plugins else None
        columns = names_of(FeatureChoice(names=question.features, plugged=plugged))
        for chosen in question.models:
            _try_out(chosen, kinds, len(columns))
    except (GurukulError, MemoryError) as error:
        return PluginReport(error=str(error))
    if question.label not in (*LABELS, *labels):
        near = difflib.get_close_matches(question.label, [*LABELS, *labels], 3, 0.5)
        meant = f"; did you mean {' or '.join(near)}?" if near else f"; they are {', '.join([*LABELS, *labels])}"
        return PluginReport(error=f"--label: there is no label {question.label}{meant}")
    facts = [_facts(each, each.source) for each in FEATURES.values()]
    facts += [_facts(each, each.path, each.panel, each.side) for each in own.values()]
    used = {name.removeprefix(RANK) for name in columns} | {each.kind for each in question.models}
    if question.trains:
        chosen_labels = [each for name, each in labels.items() if name == question.label]
        if fault := early_fault([each for name, each in own.items() if name in used], chosen_labels):
            return PluginReport(error=fault)
    if question.source and question.source not in sources:
        has = f"they define {', '.join(sources)}" if sources else "mark a function with @gurukul.source(symbols=...)"
        return PluginReport(error=f"--source: no plug-in defines a source {question.source}; {has}")
    offers = {each.path: _chosen(each) for each in loaded.values()}
    idle = {
        path: _flag_for(offered[0], question.features)
        for path, offered in offers.items()
        if offered and not any(_is_used(each, used, question) for each in offered)
    }
    return PluginReport(
        plugins=plugins, features=tuple(facts), labels=_label_facts(labels), columns=columns, idle=idle,
        gates=tuple(gates.values()), sources=tuple(sources.values()),
    )  # fmt: skip


def _facts(
    each: Feature | PluggedFeature, source: str, panel: bool = False, side: tuple[str, ...] = ()
) -> FeatureFacts:
    return FeatureFacts(
        name=each.name, formula=each.formula, warmup_bars=each.warmup_bars, panel=panel, source=source, side=side
    )


def _label_facts(labels: Mapping[str, PluggedLabel]) -> tuple[LabelFacts, ...]:
    return tuple(
        LabelFacts(
            name=each.name,
            formula=each.formula,
            horizon_bars=each.horizon_bars,
            target=each.target,
            source=each.path,
            panel=each.panel,
            side=each.side,
        )
        for each in labels.values()
    )


def _described(plugin: LoadedPlugin, own: dict[str, PluggedFeature]) -> Plugin:
    panel = tuple(each.name for each in own.values() if each.path == plugin.path and each.panel)
    models = tuple(each.facts for each in plugin.models)
    labels = tuple(each.name for each in plugin.labels)
    return Plugin(
        name=plugin.name, sha256=plugin.sha256, panel_features=panel, models=models, labels=labels,
        value_labels=tuple(each.name for each in plugin.labels if each.target == VALUE),
        panel_labels=tuple(each.name for each in plugin.labels if each.panel),
    )  # fmt: skip


def _trained(plugin: LoadedPlugin) -> list[Declaration]:
    """What a plug-in declares for training."""
    return [each for each in plugin.declared if not isinstance(each, GateDeclaration | SourceDeclaration)]


def _chosen(plugin: LoadedPlugin) -> list[Declaration]:
    """What a plug-in declares and a run must name: all but its gates, which judge every run that names the file."""
    return [each for each in plugin.declared if not isinstance(each, GateDeclaration)]


def _is_used(declared: Declaration, used: set[str], question: PluginQuestion) -> bool:
    if isinstance(declared, LabelDeclaration):
        return declared.name == question.label
    return declared.name == question.source if isinstance(declared, SourceDeclaration) else declared.name in used


def _flag_for(declared: Declaration, features: Sequence[str]) -> str:
    """The flag that makes a run use a feature, a label, a model or a source."""
    if isinstance(declared, ModelDeclaration):
        return f"--{declared.facts.roles[0]} {declared.name}"
    if isinstance(declared, LabelDeclaration):
        return f"--label {declared.name}"
    if isinstance(declared, SourceDeclaration):
        return f"--source plugin:{declared.name}"
    return f"--features {','.join((*features, declared.name))}"


def _try_out(chosen: ChosenModel, kinds: Mapping[str, type[PluggedModel]], columns: int) -> None:
    """DataError unless a model passes its trial on made rows."""
    if chosen.kind not in kinds:
        raise RequestError(f"no plug-in defines a model {chosen.kind}")
    x, own = random_rows(columns), kinds[chosen.kind]
    for target in own.declaration.facts.targets:
        try_out(own, chosen.role, chosen.changes, x, np.arange(len(x)) % 2, target)
