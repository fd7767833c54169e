"""Look up a stored run's manifest and a window of its plan."""

from pathlib import Path

from schemas.contract.artifact import RunManifest
from schemas.contract.errors import RequestError
from schemas.contract.requests import RunQuestion, WindowQuestion
from schemas.contract.window import Window
from schemas.files.layout import RunLayout
from schemas.files.run_files import open_run


def manifest_of(question: RunQuestion) -> tuple[RunManifest, RunLayout]:
    """The run's manifest and folder; RequestError if there is none."""
    return open_run(Path(question.data_dir).absolute(), question.run_id)


def window_of(question: WindowQuestion, manifest: RunManifest) -> Window:
    """The window of that label, of a symbol or of all; RequestError names one, or why the plan skips this one."""
    plan = {planned.window.label: planned for planned in manifest.plan}
    if manifest.config.scope == "panel":
        plan |= {
            window.label: planned.model_copy(update={"window": window})
            for planned in manifest.plan
            if planned.skip is None and (window := planned.window.in_scope("panel"))
        }
    if question.label not in plan:
        first = next(iter(plan), None)
        hint = f"a window has a label such as {first}" if first else "it has planned none yet"
        raise RequestError(f"run {question.run_id} has no window {question.label}; {hint}")
    planned = plan[question.label]
    if planned.skip is not None:
        raise RequestError(f"{question.label} was not trained: {planned.skip}, {planned.detail}")
    return planned.window
