"""The charts of an audit bundle, made from a run's stored files as Vega-Lite, which report page and dashboard draw."""

import json
from collections.abc import Mapping
from pathlib import Path

import altair as alt
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from altair.utils.schemapi import debug_mode

from schemas.config.judgement import GATES
from schemas.config.target import PRIOR
from schemas.contract.artifact import RunRow
from schemas.contract.judgement import ALWAYS_LONG, STUDENT, GateReport
from schemas.contract.task import Role, Status
from schemas.files import feature_importance
from schemas.files.atomic import sha256_of, write_atomic
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_model, read_rows
from workers.judging.evidence import Evidence, load
from workers.reporting import charts
from workers.reporting.chart_library import chart_library

VEGA = "vega.js"
PERMUTATION = "label_permutation"  # its draws
SIMPLER = ["alone", "logistic"]  # strategies of the tables that the charts of returns leave out
MARKET = (ALWAYS_LONG, STUDENT)  # the last one is on top


def render(layout: RunLayout, audit: Path, release_dir: Path) -> dict[str, str]:
    """Write the folder `plots/` of the bundle `audit` and return the SHA-256 of its files.

    It holds every chart as Vega-Lite JSON, and the JavaScript library that draws them. Pictures would take 2.3 s of
    CPU; the report page saves one on demand.
    """
    evidence = load(layout, release_dir)
    folder = audit / "plots"
    with debug_mode(False):  # else each row of data is validated against a schema, which takes 2 s of CPU
        drawn = {name: chart.to_dict(validate=False) for name, chart in _charts(evidence, audit).items()}
    for name, specification in drawn.items():
        text = json.dumps(specification, allow_nan=False, ensure_ascii=False)  # indented it takes three times as long
        write_atomic(folder / f"{name}.json", f"{text}\n")
    write_atomic(folder / VEGA, chart_library())
    return {f"plots/{path.name}": sha256_of(path) for path in sorted(folder.iterdir())}


def _charts(evidence: Evidence, audit: Path) -> dict[str, alt.Chart | alt.LayerChart]:
    layout, predictions = evidence.layout, evidence.predictions
    students, teachers = (read_rows(layout, role) for role in (Role.STUDENT, Role.TEACHER))
    reports = {name: read_model(layout.gate(name), GateReport) for name in GATES}
    table = pq.read_table(layout.daily_returns).drop_columns(SIMPLER)
    day = np.asarray(table["day"].cast(pa.int32()), dtype=np.int64)
    words = {"prior": evidence.validation.loss.baseline}
    daily = {
        words.get(name, name): np.asarray(table[name], dtype=np.float64) for name in table.column_names if name != "day"
    }
    beside = {name: daily[name] for name in MARKET}
    models = {"student": predictions.student, "teacher": predictions.teacher}
    found: dict[str, alt.Chart | alt.LayerChart] = {
        "earned": charts.equity(day, beside, "Net return after costs, compounded, beside the market"),
        "rules": charts.equity(day, daily, "The same beside simple rules"),
        "drawdown": charts.drawdown(day, beside),
        "reliability": charts.reliability(predictions.y, models, evidence.validation.target),
        "skill_by_window": charts.skill_by_window(students, evidence.validation.per_window, evidence.validation.loss),
        "skill_by_symbol": charts.skill_by_symbol(evidence.validation, reports["symbols"].passing),
        "importance": charts.importance(_importance(layout, teachers)),
    }
    if null := reports["skill"].draws.get(PERMUTATION):
        scores = evidence.validation.scores
        improvement = scores[PRIOR].loss - scores[STUDENT].loss  # per row, beside the baseline, as the draws
        found["permutation"] = charts.permutation(null, improvement, evidence.validation.loss)
    summary = json.loads((audit / "telemetry_summaries" / "summary.json").read_bytes())
    found["phases"] = charts.phases({name: each["duration_seconds"] for name, each in summary["phases"].items()})
    found["devices"] = charts.devices([*teachers, *students])
    return found


def _importance(layout: RunLayout, rows: list[RunRow]) -> Mapping[str, Mapping[str, float]]:
    """Return the mean share of each feature over the teachers of each window start."""
    shares: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        if row.status is Status.SUCCESS:
            start = shares.setdefault(str(row.start), {})
            for feature, share in feature_importance.read(layout.artifact(row.window_label, Role.TEACHER)).items():
                start.setdefault(feature, []).append(share)
    return {start: {name: float(np.mean(x)) for name, x in each.items()} for start, each in shares.items()}
