"""What each task does, as plain calls. Each imports what it needs when it is first done: training's takes seconds."""

from pathlib import Path

from schemas.config.sources import split_source
from schemas.contract.errors import RequestError
from schemas.contract.task import IngestTask, Metric, RunTask, WindowTask
from schemas.files.atomic import sha256_of
from schemas.files.layout import RunLayout, audit_folder
from schemas.files.run_rows import write_model
from workers.celery.connection import shared
from workers.handlers.task_result import Result


def ingest(task: IngestTask) -> Result:
    """Read a symbol from its source, judge its bars, and store those that may reach a model."""
    from workers.bars.ingestion import ingest as take_in
    from workers.bars.sources.pace import Pace

    vendor = split_source(task.settings.source)[0].name
    acquire = Pace(shared(), task.settings.requests_per_minute, vendor=vendor).acquire
    ingested = take_in(task.settings, task.symbol, task.data_dir, task.run_id, acquire)
    if ingested.rejected is not None:
        return Result(ingested=ingested, reason=ingested.rejected.reason, message=ingested.rejected.sentence)
    stored = ingested.stored
    assert stored is not None
    return Result({"bars": stored.bars}, {f"{task.symbol}.parquet": stored.sha256}, ingested=ingested)


def teach(task: WindowTask) -> Result:
    """Store one window's teacher."""
    from workers.handlers.window_tasks import teach as train

    return train(task)


def study(task: WindowTask) -> Result:
    """Store one window's student and its scores of the bars after it."""
    from workers.handlers.window_tasks import study as train

    return train(task)


def validate(task: RunTask) -> Result:
    """Score all students of a run together; writes `validation.json`."""
    from workers.judging.validation import validate as judge

    layout = RunLayout.under(task.data_dir, task.run_id)
    validation = judge(layout)
    write_model(layout.validation, validation)
    metrics: dict[str, Metric] = {"windows": validation.windows, "rows": validation.rows}
    for name, scores in validation.scores.items():
        metrics |= {f"{name}_log_loss": scores.log_loss, f"{name}_skill": scores.skill, f"{name}_auc": scores.auc}
    for name, trading in validation.trading.items():
        metrics |= {f"{name}_sharpe": trading.sharpe, f"{name}_net_bps_a_day": trading.net_bps_a_day}
    return Result(metrics, {layout.validation.name: sha256_of(layout.validation)})


def test(task: RunTask) -> Result:
    """Judge one gate of a run; writes `statistics/<gate>.json`."""
    from workers.judging.evidence import load
    from workers.judging.gates import JUDGES

    if task.gate not in JUDGES:
        raise RequestError(f"gate {task.gate!r} is not one of {', '.join(JUDGES)}")
    layout = RunLayout.under(task.data_dir, task.run_id)
    path = layout.gate(task.gate)
    report = JUDGES[task.gate](load(layout, Path(task.release_dir)))
    write_model(path, report)
    metrics: dict[str, Metric] = {criterion.name: criterion.statistic for criterion in report.gate.criteria}
    return Result(metrics | {"passed": report.gate.passed}, {path.name: sha256_of(path)})


def audit(task: RunTask) -> Result:
    """Draw the audit bundle's plots."""
    from workers.reporting.bundle import render

    layout = RunLayout.under(task.data_dir, task.run_id)
    digests = render(layout, audit_folder(task.release_dir, task.run_id), Path(task.release_dir))
    return Result({"files": len(digests)}, digests)
