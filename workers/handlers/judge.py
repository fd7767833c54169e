"""The tasks that judge a whole run: the scores of all its students, and one gate; with `--reuse` an equal run's."""

from functools import partial
from pathlib import Path

from schemas.config.judgement import OwnGate
from schemas.contract.errors import RequestError
from schemas.contract.judgement import GateReport, Scores, Validation
from schemas.contract.task import Metric, RunTask
from schemas.files.atomic import sha256_of
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest, read_model, write_model
from schemas.terminal.quick_import import quick_import
from workers.handlers.adoption import adopt_gate, adopt_scores, gate_key, scores_key
from workers.handlers.own_gate import judged_apart
from workers.handlers.release_folder import release_folder
from workers.handlers.task_result import Result

# arch plots with Matplotlib, and statsmodels reads formulas with formulaic, or else with patsy; gates need neither.
JUDGING_IMPORTS = partial(quick_import, "matplotlib", "formulaic")


def judge_students(task: RunTask, data_dir: Path) -> Result:
    """Score all students of a run together and write `validation.json`."""
    layout = RunLayout.under(data_dir, task.run_id)
    manifest = read_manifest(layout)
    key = scores_key(layout, manifest)
    adopted = adopt_scores(layout, key) if manifest.config.reuse else None
    validation, donor = adopted or (_scored(layout, key), None)
    write_model(layout.validation, validation)
    metrics: dict[str, Metric] = {"windows": validation.windows, "rows": validation.rows}
    for name, scores in validation.scores.items():
        metrics |= {f"{name}_{validation.loss.key}": scores.loss, f"{name}_skill": scores.skill}
        metrics |= {f"{name}_auc": scores.auc} if isinstance(scores, Scores) else {f"{name}_r2": scores.r2}
    for name, trading in validation.trading.items():
        metrics |= {f"{name}_sharpe": trading.sharpe, f"{name}_net_bps_a_day": trading.net_bps_a_day}
    digests = {layout.validation.name: sha256_of(layout.validation)}
    return Result(metrics, digests, key, donor)


def judge_gate(task: RunTask, data_dir: Path) -> Result:
    """Judge one gate of a run and write `statistics/<gate>.json`. RequestError for an unknown gate."""
    gate = task.gate or ""
    layout = RunLayout.under(data_dir, task.run_id)
    manifest = read_manifest(layout)
    release_dir = release_folder(layout, manifest.config)
    key = gate_key(layout, manifest, gate, read_model(layout.validation, Validation))
    adopted = adopt_gate(layout, gate, key) if manifest.config.reuse else None
    own = next((each for each in manifest.config.own_gates if each.name == gate), None)
    report, donor = adopted or (_judged(layout, own or gate, release_dir, key), None)
    path = layout.gate(gate)
    write_model(path, report)
    metrics: dict[str, Metric] = {criterion.name: criterion.statistic for criterion in report.gate.criteria}
    return Result(metrics | {"passed": report.gate.passed}, {path.name: sha256_of(path)}, report.key or None, donor)


def _scored(layout: RunLayout, key: str) -> Validation:
    with JUDGING_IMPORTS():
        from workers.judging.validation import validate

    return validate(layout).model_copy(update={"key": key})


def _judged(layout: RunLayout, gate: str | OwnGate, release_dir: Path, key: str) -> GateReport:
    if isinstance(gate, OwnGate):
        return judged_apart(layout, gate, release_dir, key)
    with JUDGING_IMPORTS():
        from workers.judging.evidence import load
        from workers.judging.gates import JUDGES

    if gate not in JUDGES:
        raise RequestError(f"gate {gate!r} is not one of {', '.join(JUDGES)}")
    return JUDGES[gate](load(layout, release_dir)).model_copy(update={"key": key})
