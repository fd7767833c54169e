"""Compares two judged runs: settings that differ, and results."""

import json
from contextlib import closing
from typing import Any

from orchestrator.audit.recommendation import recommend
from orchestrator.ledger.ledger import Ledger
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import RequestError
from schemas.contract.judgement import Scores, Statistics, Validation
from schemas.files.run_files import open_run, read_model

# Settings that change no result.
NOT_COMPARED = {
    "run_id", "data_dir", "log_dir", "log_format", "release_dir", "telemetry_dir", "trials_dir", "broker", "devices",
    "json_summary", "mlflow",
}  # fmt: skip


def compare(data_dir: str, first: str, second: str) -> dict[str, Any]:
    """Settings that differ, scores, trading and gates of two runs; RequestError if one was never judged."""
    (a, left, gates_a), (b, right, gates_b) = (_judged(data_dir, run_id) for run_id in (first, second))
    if left.target != right.target:
        raise RequestError(f"run {first} predicts a {left.target}, {second} a {right.target}; compare runs of one kind")
    asked = [settings_of(manifest.config) for manifest in (a, b)]
    numbers = _numbers(left), _numbers(right)
    return {
        "runs": [first, second],
        "settings": changed(*asked),
        "same_rows": _rows(left) == _rows(right),
        "rows": [left.rows, right.rows],
        "span": [[str(each.first), str(each.last)] for each in (left, right)],
        "numbers": {name: [value, numbers[1][name]] for name, value in numbers[0].items()},
        "gates": {
            gate.name: [gate.answer, other.answer] for gate, other in zip(gates_a.gates, gates_b.gates, strict=True)
        },
        "passing": [list(gates_a.passing), list(gates_b.passing)],
        "recommendation": [recommend(each) for each in (gates_a, gates_b)],
    }


def settings_of(config: RunConfig) -> dict[str, object]:
    """The settings of a run that can change a result, as JSON values."""
    return config.model_dump(mode="json", exclude=NOT_COMPARED)


def changed(first: dict[str, object], second: dict[str, object]) -> dict[str, list[object]]:
    """Both values of each setting that differs."""
    return {name: [first[name], second[name]] for name in first if first[name] != second[name]}


def plain(value: object) -> str:
    """A setting's JSON value as text."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return json.dumps(value)
    return "none" if value is None else str(value)


def _judged(data_dir: str, run_id: str) -> tuple[RunManifest, Validation, Statistics]:
    manifest, layout = open_run(data_dir, run_id)
    if not layout.statistics.is_file():
        with closing(Ledger(layout.ledger, read_only=True)) as ledger:
            condition = ledger.condition()
        step = condition.next_command(run_id, data_dir)
        raise RequestError(f"run {run_id} was never judged, it is {condition}; `{step}`")
    return manifest, read_model(layout.validation, Validation), read_model(layout.statistics, Statistics)


def _rows(validation: Validation) -> tuple[object, ...]:
    """Facts that are equal for two runs that scored the same rows: symbols, days, numbers of rows, and labels."""
    each = {
        name: (row["rows"], row.get("positives", row.get("mean_label"))) for name, row in validation.per_symbol.items()
    }
    return validation.first, validation.last, tuple(sorted(each.items()))


def _numbers(validation: Validation) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name in ("prior", "student", "alone", "teacher"):
        found[f"{validation.loss.words}, {name}"] = validation.scores[name].loss
    student, trading = validation.scores["student"], validation.trading["student"]
    by_target = (
        {"AUC, student": student.auc, "calibration error, student": student.ece}
        if isinstance(student, Scores)
        else {"R2, student": student.r2, "sign accuracy, student": student.sign_accuracy}
    )
    return found | {
        "skill, student": student.skill,
        **by_target,
        "net bps per day, student": trading.net_bps_a_day,
        "Sharpe per year, student": trading.sharpe,
        "maximum drawdown in percent, student": trading.max_drawdown_percent,
        "decisions, student": float(trading.trades),
    }
