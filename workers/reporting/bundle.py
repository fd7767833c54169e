"""Draw every plot of an audit bundle from a run's stored predictions and rows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.judgement import Validation
from schemas.layout import RunLayout, sha256_of, write_atomic
from schemas.messages import Role
from schemas.rows import read_model, read_rows
from workers.judging.predictions import load_rows
from workers.reporting import plots


def render(layout: RunLayout, audit: Path) -> dict[str, str]:
    """Write `plots/*.png`; returns their digests. PhaseError if the rows are not those that were validated."""
    validation = read_model(layout.validation, Validation)
    predictions = load_rows(layout, validation.sha256[layout.scored_rows.relative_to(layout.folder).as_posix()])
    table = pq.read_table(layout.daily_returns)
    day, daily = np.asarray(table["day"].cast(pa.int32())), np.asarray(table["student"])
    pictures = {
        "cumulative_net_return.png": plots.cumulative_net(day, daily),
        "reliability.png": plots.reliability(predictions.y, predictions.student, predictions.teacher),
        "skill_by_symbol.png": plots.skill_by_symbol(validation),
        "skill_by_window.png": plots.window_grid(read_rows(layout, Role.STUDENT)),
    }
    for name, content in pictures.items():
        write_atomic(audit / "plots" / name, content)
    return {f"plots/{name}": sha256_of(audit / "plots" / name) for name in pictures}
