"""Trained windows that a changed bar affects: those of stored runs that end on its day or later.

A window of another symbol is affected by its base rate, which is drawn to the share of all symbols of the run.
"""

from datetime import date
from pathlib import Path

from schemas.contract.artifact import RunManifest
from schemas.files.run_files import read_model

NAMED = 3


def affected_windows(data_dir: Path, symbol: str, day: date) -> str:
    """A clause that names the windows whose bars or base rates reach `day` or later, in all runs of `symbol`."""
    affected: dict[str, list[str]] = {}
    for path in sorted(data_dir.glob("models/*/run.json")):
        manifest = read_model(path, RunManifest)
        windows = [planned.window for planned in manifest.plan if planned.skip is None]
        labels = [each.label for each in windows if day < (each.score_end if each.symbol == symbol else each.end)]
        if labels and any(each.symbol == symbol for each in windows):
            affected[manifest.run_id] = labels
    if not affected:
        return "no window of a stored run is affected"
    named = [
        f"{run_id}: {', '.join(labels[:NAMED])}{' …' * (len(labels) > NAMED)}" for run_id, labels in affected.items()
    ]
    count = sum(map(len, affected.values()))
    verb = "windows of stored runs are" if count > 1 else "window of a stored run is"
    return f"{count} {verb} affected ({'; '.join(named)}); train {'them' if count > 1 else 'it'} again"
