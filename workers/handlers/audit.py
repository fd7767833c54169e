"""The task that draws the plots of a run's audit bundle."""

from pathlib import Path

from schemas.contract.task import RunTask
from schemas.files.layout import RunLayout, audit_folder
from schemas.files.run_files import read_manifest
from schemas.terminal.quick_import import quick_import
from workers.handlers.adoption import adopt_plots
from workers.handlers.release_folder import release_folder
from workers.handlers.task_result import Result


def render_audit(task: RunTask, data_dir: Path) -> Result:
    """Draw the plots into the run's audit bundle."""
    layout = RunLayout.under(data_dir, task.run_id)
    config = read_manifest(layout).config
    release_dir = release_folder(layout, config)
    if config.reuse and (adopted := adopt_plots(layout, release_dir)) is not None:
        digests, donor = adopted
        return Result({"files": len(digests)}, digests, reused_from=donor)
    with quick_import():
        from workers.reporting.bundle import render

    digests = render(layout, audit_folder(release_dir, task.run_id), release_dir)
    return Result({"files": len(digests)}, digests)
