"""The task that draws the plots of a run's audit bundle."""

from pathlib import Path

from schemas.contract.task import RunTask
from schemas.files.layout import RunLayout, audit_folder
from workers.handlers.task_result import Result


def render_audit(task: RunTask) -> Result:
    """Draw the plots into the run's audit bundle."""
    from workers.reporting.bundle import render

    layout = RunLayout.under(task.data_dir, task.run_id)
    digests = render(layout, audit_folder(task.release_dir, task.run_id), Path(task.release_dir))
    return Result({"files": len(digests)}, digests)
