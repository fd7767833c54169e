"""Draw every plot of an audit bundle from a run's stored predictions and rows."""

from pathlib import Path

from schemas.artifacts import Validation
from schemas.config import TrainingSettings
from schemas.errors import PhaseError
from schemas.layout import RunLayout, sha256_of, write_atomic
from schemas.messages import Role
from schemas.rows import read_model, read_rows
from workers.judging.predictions import load_predictions
from workers.judging.validation import daily_net
from workers.reporting import plots


def render(layout: RunLayout, audit: Path, settings: TrainingSettings) -> dict[str, str]:
    """Write `plots/*.png`; returns their digests. PhaseError if the predictions are not those that were validated."""
    validation = read_model(layout.validation, Validation)
    predictions = load_predictions(layout)
    if predictions.digests != validation.inputs:
        raise PhaseError(
            f"the predictions under {layout.folder} are not those that {layout.validation.name} was computed from"
        )
    pictures = {
        "cumulative_net_return.png": plots.cumulative_net(*daily_net(predictions, settings)),
        "reliability.png": plots.reliability(predictions.y, predictions.student, predictions.teacher),
        "skill_by_symbol.png": plots.skill_by_symbol(validation),
        "skill_by_window.png": plots.window_grid(read_rows(layout, Role.STUDENT)),
    }
    for name, content in pictures.items():
        write_atomic(audit / "plots" / name, content)
    return {f"plots/{name}": sha256_of(audit / "plots" / name) for name in pictures}
