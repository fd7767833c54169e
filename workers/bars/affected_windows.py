"""Which trained windows a changed bar reaches: those of stored runs whose scores or training lie after it."""

from datetime import date
from pathlib import Path

from schemas.contract.artifact import RunManifest
from schemas.files.run_rows import read_model

NAMED = 3


def affected_windows(data_dir: Path, symbol: str, day: date) -> str:
    """A clause on the windows of `symbol`, in all runs under `data_dir`, that know bars of `day` or later."""
    touched: dict[str, list[str]] = {}
    for path in sorted(data_dir.glob("models/*/run.json")):
        manifest = read_model(path, RunManifest)
        windows = [planned.window for planned in manifest.plan if planned.skip is None]
        labels = [window.label for window in windows if window.symbol == symbol and window.score_end > day]
        if labels:
            touched[manifest.run_id] = labels
    if not touched:
        return "no stored run has windows that it touches"
    named = [
        f"{run_id}: {', '.join(labels[:NAMED])}{' …' * (len(labels) > NAMED)}" for run_id, labels in touched.items()
    ]
    count = sum(map(len, touched.values()))
    return f"it touches {count} window{'s' * (count > 1)} of stored runs ({'; '.join(named)}); train them again"
