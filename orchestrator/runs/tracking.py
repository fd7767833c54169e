"""Stores a judged run on an MLflow server: what is sent, and what happens if that fails."""

import json
import os
from contextlib import closing

from orchestrator.audit.judgement import Judgement, judgement
from orchestrator.ledger.ledger import Ledger
from orchestrator.runs.compare import plain, settings_of
from orchestrator.runs.worker_process import ask
from orchestrator.terminal.console import Console
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.command_line import command_line
from schemas.contract.errors import ExitCode, GurukulError, RequestError
from schemas.contract.extras import explain_missing, missing_modules
from schemas.contract.tracking import Tracked, TrackedFile, TrackedRun
from schemas.files.layout import RunLayout, audit_folder
from schemas.files.run_files import read_manifest

EXPERIMENT_ENV, EXPERIMENT = "MLFLOW_EXPERIMENT_NAME", "gurukul"
LIMIT_S = 600.0
# The server's longest value of a param, and of a tag.
LONGEST_PARAM, LONGEST_TAG = 6000, 5000


def refuse_untracked(config: RunConfig) -> None:
    """RequestError if the run is to be stored on a server, and the client of MLflow is not installed here."""
    if config.mlflow is not None:
        _refuse_missing()


def _refuse_missing() -> None:
    if missing := missing_modules(["mlflow"]):
        raise RequestError(explain_missing(missing))


def track(layout: RunLayout, uri: str) -> Tracked:
    """Store a judged run on the server. RequestError if it was not judged, or the server refuses it."""
    _refuse_missing()
    found, manifest = judgement(layout), read_manifest(layout)
    audit = audit_folder(manifest.config.release_dir, manifest.run_id)
    with closing(Ledger(layout.ledger, read_only=True)) as ledger:
        condition = ledger.condition()
    if found is None or not audit.is_dir():
        step = condition.next_command(manifest.run_id, layout.data_dir)
        raise RequestError(f"run {manifest.run_id} has no audit yet, it is {condition}; `{step}`")
    files = [TrackedFile(path=str(audit.absolute()), folder="audit")]
    for path in (layout.manifest, layout.rows("teacher"), layout.rows("student"), layout.validation, layout.statistics):
        files.append(TrackedFile(path=str(path.absolute()), folder="run"))
    for path in (layout.scored_rows, layout.daily_returns):
        files.append(TrackedFile(path=str(path.absolute()), folder="run/validation"))
    request = TrackedRun(
        uri=uri,
        experiment=os.environ.get(EXPERIMENT_ENV) or EXPERIMENT,
        run_id=manifest.run_id,
        began_ms=int(manifest.created.timestamp() * 1000),
        ended_ms=int(layout.statistics.stat().st_mtime * 1000),
        tags=tags_of(manifest, found),
        params=params_of(manifest),
        metrics=metrics_of(found),
        files=tuple(files),
    )
    return ask("mlflow", request, Tracked, limit_s=LIMIT_S)


def track_finished(code: int, layout: RunLayout, config: RunConfig, console: Console) -> int:
    """Store a run that has just been judged on the server of its settings; returns `code`, its exit code.

    A failure changes nothing: the command that tries again is printed.
    """
    if code != ExitCode.DONE or (uri := config.mlflow) is None:
        return code
    try:
        console.write(f"MLflow: {track(layout, uri).url}")
    except GurukulError as error:
        again = command_line("mlflow", layout.folder.name, uri, data_dir=layout.data_dir)
        console.write(f"warning: {error}; the run is complete, `{again}` stores it there")
    return code


def params_of(manifest: RunManifest) -> dict[str, str]:
    """Every setting that can change a result, as text."""
    return {name: plain(value)[:LONGEST_PARAM] for name, value in settings_of(manifest.config).items()}


def tags_of(manifest: RunManifest, found: Judgement) -> dict[str, str]:
    """Verdict, versions, who trained, and the symbols."""
    conclusion = found.conclusion
    tags = {
        "gurukul.recommendation": conclusion.recommendation.value,
        "gurukul.conclusion": conclusion.sentence,
        "gurukul.symbols": ", ".join(sorted(manifest.bars.symbols)) if manifest.bars else "",
        "gurukul.trials": str(found.statistics.trials),
        "gurukul.versions": json.dumps(manifest.versions, sort_keys=True),
        "mlflow.source.name": "gurukul",
        "mlflow.user": manifest.trained_by or "",
    }
    return {name: text[:LONGEST_TAG] for name, text in tags.items() if text}


def metrics_of(found: Judgement) -> dict[str, float]:
    """Scores and trading of each model, as `student.log_loss`, and per gate `gate.skill.passed`, 1 or 0."""
    numbers: dict[str, float | None] = {}
    validation = found.validation
    for kind in (validation.scores, validation.trading):
        for model, each in kind.items():
            prefix = model.replace(" ", "_")
            numbers |= {f"{prefix}.{name}": value for name, value in each.model_dump().items()}
    numbers |= {f"gate.{gate.name}.passed": float(gate.passed) for gate in found.statistics.gates}
    numbers |= {"rows": validation.rows, "days": validation.days, "windows": validation.windows}
    return {name: float(value) for name, value in numbers.items() if value is not None}
