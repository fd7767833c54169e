"""The plug-ins of a run: found, loaded once in a process of their own, and compared when the run goes on.

This process never runs their code.
"""

from collections.abc import Sequence

from orchestrator.runs.worker_process import ask
from schemas.config.features import SETS, Plugged
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import RequestError
from schemas.contract.plugin_source import plugin_digests
from schemas.contract.requests import PluginQuestion, PluginReport

# A little more than the worker's own limit, whose message names the line.
LIMIT_S = 75.0


def ask_about(features: Sequence[str], plugins: Sequence[str]) -> PluginReport:
    """What plug-ins define, and the columns of `features`. RequestError, with the user's line, for a faulty one."""
    return ask("plugins", PluginQuestion(features=tuple(features)), PluginReport, plugins, LIMIT_S)


def with_plugins(config: RunConfig) -> RunConfig:
    """The config with its plug-ins' digests. RequestError for a faulty plug-in or an unknown feature."""
    names = config.feature_set.names
    if not config.plugins and all(name in SETS for name in names):
        return config
    found = ask_about(names, config.plugins)
    for path, feature in found.idle.items():
        raise RequestError(f"--features names no feature of {path}; add one: --features {','.join((*names, feature))}")
    plugged = Plugged(timezone=config.timezone, plugins=found.plugins) if found.plugins else None
    return config.model_copy(update={"plugged": plugged})


def refuse_other_plugins(manifest: RunManifest) -> None:
    """RequestError if a plug-in that this host's workers will load has changed since the run began."""
    config = manifest.config
    if config.plugged is None or not config.local_workers:
        return
    now = plugin_digests(config.plugins)
    for path, (name, began) in zip(config.plugins, config.plugged.digests.items(), strict=True):
        if now.get(name) != began:
            raise RequestError(
                f"{path} has changed since run {manifest.run_id} began: what it trains now would not match; restore it,"
                " or start a new run with --reuse"
            )
