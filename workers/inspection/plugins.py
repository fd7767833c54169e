"""What the plug-ins of this process define, within a limit of time."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from schemas.config.features import RANK, FeatureChoice, Plugged, Plugin
from schemas.contract.errors import GurukulError
from schemas.contract.requests import FeatureFacts, PluginQuestion, PluginReport
from workers.features.chosen import names_of
from workers.features.plugged import PluggedFeature, features_here
from workers.features.registry import FEATURES
from workers.plugins.loading import LoadedPlugin, plugins_here

IMPORT_LIMIT_S = 60.0


def inspect(question: PluginQuestion) -> PluginReport:
    """Load the plug-ins and list all features; a fault is returned as one sentence in `error`."""
    try:
        with _within(IMPORT_LIMIT_S):
            loaded, own = plugins_here(), features_here()
        plugins = tuple(_described(each, own) for each in loaded.values())
        # No column depends on the time zone.
        plugged = Plugged(timezone="UTC", plugins=plugins) if plugins else None
        columns = names_of(FeatureChoice(names=question.features, plugged=plugged))
    except GurukulError as error:
        return PluginReport(error=str(error))
    facts = [
        FeatureFacts(
            name=each.name, formula=each.formula, warmup_bars=each.warmup_bars, panel=False, source=each.source
        )
        for each in FEATURES.values()
    ]
    facts += [
        FeatureFacts(
            name=each.name, formula=each.formula, warmup_bars=each.warmup_bars, panel=each.panel, source=each.path
        )
        for each in own.values()
    ]
    used = {name.removeprefix(RANK) for name in columns}
    idle = {
        plugin.path: plugin.declared[0].name
        for plugin in loaded.values()
        if all(each.name not in used for each in plugin.declared)
    }
    return PluginReport(plugins=plugins, features=tuple(facts), columns=columns, idle=idle)


def _described(plugin: LoadedPlugin, own: dict[str, PluggedFeature]) -> Plugin:
    panel = tuple(each.name for each in own.values() if each.path == plugin.path and each.panel)
    return Plugin(name=plugin.name, sha256=plugin.sha256, panel_features=panel)


@contextmanager
def _within(limit_s: float) -> Iterator[None]:
    """Raise TimeoutError inside, in the main thread, once `limit_s` has passed."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it took over {limit_s:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
