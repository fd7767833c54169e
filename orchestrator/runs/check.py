"""The check of plug-ins: settings become a request, which a worker process answers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.bars.coverage import stored_table
from orchestrator.bars.zone import calendar_of, refuse_other_zone, zone_of
from orchestrator.runs.settings import resolve
from orchestrator.runs.worker_process import ask
from schemas.config.bars import IngestConfig
from schemas.config.judgement import OwnGate
from schemas.config.side import SideConfig
from schemas.config.universe import UniverseConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.coverage import CoverageTable
from schemas.contract.errors import RequestError
from schemas.contract.requests import OWN_GATE_LIMIT_S, CheckReport, CheckRequest, GateAnswer, GateQuestion
from schemas.files.layout import BarsLayout, RunLayout
from schemas.files.universe import read_universe
from schemas.store.judged_inputs import judging_release_dir


class BesideConfig(SideConfig, UniverseConfig):
    """What plug-ins are checked with beside bars."""


def check_settings(
    flags: Mapping[str, Any], config: Path | None, environment: Mapping[str, str], *, in_python: bool = False
) -> tuple[IngestConfig, BesideConfig]:
    """Bars and side data on which plug-ins are checked, with the time zone and the calendar of these bars.

    RequestError for a wrong setting, as by `resolve`.
    """
    beside = {name: value for name, value in flags.items() if name in BesideConfig.model_fields}
    bars = {name: value for name, value in flags.items() if name not in beside}
    settings = resolve(IngestConfig, bars, config, environment, in_python=in_python)
    known = None if "source" in settings.model_fields_set else _stored(settings)
    if known is not None:
        refuse_other_zone(settings, known)
    of_bars = {"timezone": zone_of(settings, known), "calendar": calendar_of(settings, known)}
    found = resolve(BesideConfig, beside, config, environment, in_python=in_python)
    return settings.model_copy(update=of_bars), found


def _stored(settings: IngestConfig) -> CoverageTable:
    """Stored bars of the chosen symbols, or of all."""
    found = stored_table(BarsLayout.under(settings.data_dir, settings.interval)).symbols
    return CoverageTable(symbols={name: found[name] for name in settings.symbols or found if name in found})


def check_plugins(files: tuple[str, ...], settings: IngestConfig, beside: BesideConfig) -> CheckReport:
    """Check every feature, label and model of `files`. RequestError if a file or the bars cannot be read.

    Bars are the source's, if one is set, else the stored ones of the chosen symbols, or of all.
    """
    chosen, reads_source = settings.symbols, "source" in settings.model_fields_set
    if not reads_source and not chosen:
        chosen = tuple(sorted(_stored(settings).symbols))
        if not chosen:
            raise RequestError(f"no bars are stored under {settings.data_dir}; give --source, such as --source sample")
    request = CheckRequest(
        data_dir=str(Path(settings.data_dir).absolute()),
        interval=settings.interval,
        timezone=settings.timezone,
        calendar=settings.resolved_calendar,
        side=beside.side_requests,
        universe=read_universe(beside.universe) if beside.universe is not None else None,
        bars=settings.bars(None, None) if reads_source else None,
        symbols=chosen,
    )
    return ask("check", request, CheckReport, files)


def try_gate(files: tuple[str, ...], gate: OwnGate, manifest: RunManifest, layout: RunLayout) -> GateAnswer:
    """What a gate finds in a judged run; `error` is the sentence of a fault, with the user's line."""
    question = GateQuestion(
        data_dir=str(layout.data_dir.absolute()), run_id=manifest.run_id, gate=gate.name, sha256=None,
        release_dir=str(judging_release_dir(layout, manifest.config).absolute()),
    )  # fmt: skip
    try:
        return ask("own-gate", question, GateAnswer, files, OWN_GATE_LIMIT_S)
    except RequestError as error:
        return GateAnswer(error=str(error))
