"""Data for the page Results, read from the files of a run's judgement: conclusion, charts, importances."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.audit.conclusion import conclude
from orchestrator.dashboard.markup import plain
from orchestrator.dashboard.runs import Run
from orchestrator.ledger.run_status import RunCondition
from schemas.contract.conclusion import Conclusion
from schemas.contract.judgement import Statistics, Validation
from schemas.contract.run import RunStatus
from schemas.contract.task import Role, Status
from schemas.contract.trials import TrialCount
from schemas.files import feature_importance
from schemas.files.layout import RunLayout, audit_folder
from schemas.files.run_files import read_manifest, read_model, read_rows

# Streamlit counts axes and legend as part of a chart's height, the report does not; and it sets wider rows.
AXES_PX, SLANTED_PX = 70, 100
LEGEND_COLUMNS = 3
REPORT_ROW_PX, ROW_PX, MOST_ROWS_PX = 16, 22, 1500
# Loss, zero, gain: without red, and the middle as dark as the page.
DIVERGING = {False: ["#d98200", "#f1f3f5", "#0072b2"], True: ["#e69f00", "#262b32", "#3aa0e0"]}


@dataclass(frozen=True)
class Judgement:
    """A judged run: its numbers and what they come to."""

    validation: Validation
    statistics: Statistics
    conclusion: Conclusion


def judgement(layout: RunLayout) -> Judgement | None:
    """Read the judgement of a run; None if it was never judged, FileError if a file is damaged."""
    if not layout.statistics.is_file():
        return None
    statistics, validation = read_model(layout.statistics, Statistics), read_model(layout.validation, Validation)
    trials = read_model(layout.trials, TrialCount)
    return Judgement(validation, statistics, conclude(read_manifest(layout), statistics, validation, trials))


def status_sentence(run: Run) -> str | None:
    """Describe a run that has not finished, with the next step; None for a finished run."""
    condition = run.condition
    if condition is None:
        return "Only the broker knows this run; its files are on another machine."
    if condition.status is RunStatus.READY:
        return None
    sentence = f"This run is {plain(str(condition))}."
    if condition.status.is_active:
        return f"{sentence} The page Training Progress shows how far it is."
    return f"{sentence} {next_step(condition, run.run_id)}"


def next_step(condition: RunCondition, run_id: str) -> str:
    """What to do with a run that has stopped, as a sentence of Markdown."""
    if condition.can_resume:
        return f"To continue it: `orchestrator resume {run_id}`."
    return "It would fail again; start a new run."


def audit_of(run: Run, release_dir: str) -> Path:
    """The run's audit bundle: in `release_dir`, or else in the folder that the run's config names."""
    given = audit_folder(release_dir, run.run_id)
    return given if given.is_dir() else audit_folder(read_manifest(run.layout).config.release_dir, run.run_id)


@dataclass(frozen=True)
class Chart:
    """A chart of the audit: its title and its Vega-Lite specification."""

    title: str
    specification: dict[str, Any]


def chart(audit: Path, name: str, *, dark: bool) -> Chart | None:
    """Read a chart of an audit bundle, without its title; None if the bundle has no valid chart of that name."""
    title = name.replace("_", " ")
    try:
        found = json.loads((audit / "plots" / f"{name}.json").read_bytes())
    except (OSError, ValueError):
        return None
    if "vega-lite" not in found.get("$schema", ""):
        return None
    for layer in (found, *found.get("layer", ())):
        title = layer.pop("title", title)
        _recolour(layer.get("encoding", {}).get("color", {}), dark)
    found.pop("config", None)
    found.pop("width", None)
    found["height"] = _height(found)
    return Chart(title, found)


def _recolour(color: dict[str, Any], dark: bool) -> None:
    """Set the middle colour to this theme's, and break the legend into lines that fit a phone."""
    scale, legend = color.get("scale", {}), color.get("legend") or {}
    if scale.get("scheme") == "redblue":
        del scale["scheme"]
        scale |= {"range": DIVERGING[dark], "interpolate": "rgb"}
    if legend.get("orient") == "bottom":
        legend["columns"] = LEGEND_COLUMNS


def _height(specification: dict[str, Any]) -> int:
    """Height in pixels that a chart needs with its axes; a chart of rows grows with their number."""
    encoding = (specification.get("layer") or [specification])[0].get("encoding", {})
    height = int(specification.get("height", 0))
    if encoding.get("y", {}).get("type") != "nominal":
        return height + AXES_PX
    slanted = SLANTED_PX if encoding.get("x", {}).get("type") == "ordinal" else AXES_PX
    return min(height // REPORT_ROW_PX * ROW_PX, MOST_ROWS_PX) + slanted


def importances(layout: RunLayout) -> tuple[dict[str, float], int]:
    """Mean importance of each feature over the run's teachers, the greatest first, and how many teachers."""
    rows = [row for row in read_rows(layout, Role.TEACHER) if row.status is Status.SUCCESS]
    totals: dict[str, float] = {}
    for row in rows:
        for name, share in feature_importance.read(layout.artifact(row.window_label, Role.TEACHER)).items():
            totals[name] = totals.get(name, 0.0) + share
    means = {name: total / len(rows) for name, total in totals.items()}
    return dict(sorted(means.items(), key=lambda pair: -pair[1])), len(rows)


def label_rule(layout: RunLayout) -> str:
    """What the run's models predict, in words."""
    return read_manifest(layout).config.training().label_rule
