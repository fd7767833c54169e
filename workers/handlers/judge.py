"""The tasks that judge a whole run: the scores of all its students, and one gate."""

from pathlib import Path

from schemas.contract.errors import RequestError
from schemas.contract.task import Metric, RunTask
from schemas.files.atomic import sha256_of
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest, write_model
from workers.handlers.quick_import import quick_import
from workers.handlers.task_result import Result


def judge_students(task: RunTask, data_dir: Path) -> Result:
    """Score all students of a run together and write `validation.json`."""
    with quick_import():
        from workers.judging.validation import validate

    layout = RunLayout.under(data_dir, task.run_id)
    validation = validate(layout)
    write_model(layout.validation, validation)
    metrics: dict[str, Metric] = {"windows": validation.windows, "rows": validation.rows}
    for name, scores in validation.scores.items():
        metrics |= {f"{name}_log_loss": scores.log_loss, f"{name}_skill": scores.skill, f"{name}_auc": scores.auc}
    for name, trading in validation.trading.items():
        metrics |= {f"{name}_sharpe": trading.sharpe, f"{name}_net_bps_a_day": trading.net_bps_a_day}
    return Result(metrics, {layout.validation.name: sha256_of(layout.validation)})


def judge_gate(task: RunTask, data_dir: Path) -> Result:
    """Judge one gate of a run and write `statistics/<gate>.json`. RequestError for an unknown gate."""
    with quick_import("matplotlib"):  # arch plots with it
        from workers.judging.evidence import load
        from workers.judging.gates import JUDGES

    if task.gate not in JUDGES:
        raise RequestError(f"gate {task.gate!r} is not one of {', '.join(JUDGES)}")
    layout = RunLayout.under(data_dir, task.run_id)
    path = layout.gate(task.gate)
    report = JUDGES[task.gate](load(layout, Path(read_manifest(layout).config.release_dir)))
    write_model(path, report)
    metrics: dict[str, Metric] = {criterion.name: criterion.statistic for criterion in report.gate.criteria}
    return Result(metrics | {"passed": report.gate.passed}, {path.name: sha256_of(path)})
