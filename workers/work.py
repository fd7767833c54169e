"""What each task does, as plain calls. Each imports what it needs when it is first done: training's takes seconds."""

from schemas.layout import RunLayout, audit_folder, sha256_of
from schemas.messages import IngestTask, RunTask, WindowTask
from schemas.rows import write_model
from workers.connection import shared
from workers.result import Result


def ingest(task: IngestTask) -> Result:
    """Read a symbol from its source, judge its bars, and store those that may reach a model."""
    from workers.bars.ingestion import ingest as take_in
    from workers.bars.sources.pace import Pace

    acquire = Pace(shared(), task.settings.requests_per_minute).acquire
    ingested = take_in(task.settings, task.symbol, task.data_dir, task.run_id, acquire)
    if ingested.rejected is not None:
        return Result(ingested=ingested, reason=ingested.rejected.reason, message=ingested.rejected.sentence)
    stored = ingested.stored
    assert stored is not None
    return Result({"bars": stored.bars}, {f"{task.symbol}.parquet": stored.sha256}, ingested=ingested)


def teach(task: WindowTask) -> Result:
    """Store one window's teacher."""
    from workers.training import teach as train

    return train(task)


def study(task: WindowTask) -> Result:
    """Store one window's student and its scores of the bars after it."""
    from workers.training import study as train

    return train(task)


def validate(task: RunTask) -> Result:
    """Score all students of a run together; writes `validation.json`."""
    from workers.judging.predictions import load_predictions
    from workers.judging.validation import validate as judge

    layout = RunLayout.under(task.data_dir, task.run_id)
    validation = judge(task.run_id, load_predictions(layout), task.settings)
    write_model(layout.validation, validation)
    scores = validation.model_dump(mode="json", exclude={"run_id", "per_symbol", "inputs"})
    return Result(scores, {layout.validation.name: sha256_of(layout.validation)})


def test(task: RunTask) -> Result:
    """Run the gates on a run's predictions; writes `statistics.json`."""
    from workers.judging.gates import judge
    from workers.judging.predictions import load_predictions

    layout = RunLayout.under(task.data_dir, task.run_id)
    statistics = judge(layout, task.run_id, load_predictions(layout), task.settings)
    write_model(layout.statistics, statistics)
    passed = {f"{gate.name}_passed": gate.passed for gate in statistics.gates}
    return Result(dict(passed), {layout.statistics.name: sha256_of(layout.statistics)})


def audit(task: RunTask) -> Result:
    """Draw the audit bundle's plots and copy what they were drawn from."""
    from workers.reporting.bundle import render

    layout = RunLayout.under(task.data_dir, task.run_id)
    digests = render(layout, audit_folder(task.release_dir, task.run_id), task.settings)
    return Result({"files": len(digests)}, digests)
