"""Look up a stored run's manifest and a window of its plan."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from schemas.contract.artifact import RunManifest
from schemas.contract.errors import RequestError
from schemas.contract.reason_words import words_for
from schemas.contract.requests import RunQuestion, WindowQuestion
from schemas.contract.window import Window
from schemas.files.layout import RunLayout
from schemas.files.run_files import open_run


def manifest_of(question: RunQuestion) -> tuple[RunManifest, RunLayout]:
    """The run's manifest and folder; RequestError if there is none."""
    return open_run(Path(question.data_dir).absolute(), question.run_id)


def window_of(question: WindowQuestion, manifest: RunManifest) -> Window:
    """The window of that label, of a symbol or of all; RequestError names the nearest, or why the plan skips this one.

    Where each symbol has its own student, the windows of all symbols have a teacher alone, and are not looked up.
    """
    plan = {planned.window.label: planned for planned in manifest.plan}
    if manifest.config.training().scope_of_students == "panel":
        plan |= {
            window.label: planned.model_copy(update={"window": window})
            for planned in manifest.plan
            if planned.skip is None and (window := planned.window.in_scope("panel"))
        }
    if question.label not in plan:
        trained = [label for label, planned in plan.items() if planned.skip is None] or list(plan)

        def of_symbol(labels: Iterable[str]) -> list[str]:
            return [label for label in labels if question.label.startswith(f"{plan[label].window.symbol}_")]

        nearest = get_close_matches(question.label, of_symbol(trained) or of_symbol(plan) or trained, 1, cutoff=0.0)
        hint = f"the nearest label is {nearest[0]}" if nearest else "it has planned none yet"
        raise RequestError(f"run {question.run_id} has no window {question.label}; {hint}")
    planned = plan[question.label]
    if planned.skip is not None:
        raise RequestError(f"{question.label} was not trained: {words_for(planned.skip)}, {planned.detail}")
    return planned.window
