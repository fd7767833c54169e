"""Compares two judged runs: settings that differ, and results."""

from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from orchestrator.audit.recommendation import recommend
from orchestrator.audit.wording import models_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_status import RunCondition
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import RequestError
from schemas.contract.judgement import Scores, Statistics, Validation
from schemas.contract.numbers import NOT_KNOWN, shown
from schemas.files.run_files import open_run, read_model

# Settings that change no result; and what a preflight fills in, of which `settings_of` has the digests.
NOT_COMPARED = {
    "run_id", "data_dir", "log_dir", "log_format", "release_dir", "trials_dir", "store", "broker", "broker_file",
    "devices", "local_workers", "min_devices", "max_devices", "priority", "reuse", "requests_per_minute",
    "secrets_file", "signing_key", "telemetry", "telemetry_dir", "telemetry_buffer", "telemetry_delay", "json_summary",
    "mlflow", "plugged", "members", "own_gates", "every_symbol", "broker_login",
}  # fmt: skip
# Of a digest in a table.
SHOWN_DIGITS = 12
COMPARED_MODELS = ("prior", "student", "alone", "teacher")
COUNTS = {"decisions, student"}
# The answer of a gate that a run does not have.
NOT_JUDGED = "not judged"


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
        "gates": _beside(*({gate.name: gate.answer for gate in each.gates} for each in (gates_a, gates_b))),
        "passing": [list(gates_a.passing), list(gates_b.passing)],
        "recommendation": [recommend(each) for each in (gates_a, gates_b)],
    }


def settings_of(config: RunConfig) -> dict[str, object]:
    """The settings of a run that can change a result, as JSON values; every run has the same names.

    Features and the students' scope are those that the run has, also where it was given none.
    Of plug-ins, side data and the universe also the digest of what they held.
    """
    stored = config.model_dump(mode="json", exclude=NOT_COMPARED)
    # A file leaves some defaults out.
    names = [name for name in RunConfig.model_fields if name not in NOT_COMPARED]
    found = {name: stored[name] if name in stored else to_jsonable_python(getattr(config, name)) for name in names}
    plugged = config.plugged
    sides = [] if plugged is None else [each for each in (plugged.side, plugged.label_side) if each is not None]
    return found | {
        "features": list(config.feature_set.names),
        "student_scope": config.student_scope or config.scope,
        "plugin_sha256": {name: digest[:SHOWN_DIGITS] for name, digest in config.plugin_digests.items()},
        "side_sha256": {file.name: file.sha256[:SHOWN_DIGITS] for side in sides for file in side.files},
        "universe_sha256": config.members and config.members[:SHOWN_DIGITS],
    }


def changed(first: dict[str, object], second: dict[str, object]) -> dict[str, list[object]]:
    """Both values of each setting that differs, of two runs' `settings_of`."""
    return {name: [first[name], second[name]] for name in first if first[name] != second[name]}


def _beside(first: dict[str, str], second: dict[str, str]) -> dict[str, list[str]]:
    """The answers of two runs' gates: the built-in ones, then those of plug-ins, which one run alone may have."""
    return {name: [each.get(name, NOT_JUDGED) for each in (first, second)] for name in first | second}


def other_rows(found: dict[str, Any]) -> str:
    """What the scored rows of two runs have in common, and what not, by `compare`; empty if they are the same rows."""
    if found["same_rows"]:
        return ""
    one, other = (
        f"{rows:,} rows from {first} to {last}"
        for rows, (first, last) in zip(found["rows"], found["span"], strict=True)
    )
    if one == other:
        return f"Both runs scored {one}, but their labels or symbols differ: their losses cannot be compared."
    return f"The runs scored different rows, {one} and {other}: their numbers cannot be compared."


def number_rows(found: dict[str, Any]) -> dict[str, list[str]]:
    """The numbers of `compare` as texts; losses have six digits, as two runs may differ in the fourth."""
    losses = list(found["numbers"])[: len(COMPARED_MODELS)]
    return {
        name: [_number(name, value, is_loss=name in losses) for value in values]
        for name, values in found["numbers"].items()
    }


def _number(name: str, value: float | None, *, is_loss: bool) -> str:
    if value is None:
        return NOT_KNOWN
    if is_loss:
        return f"{value:.6g}"
    return f"{value:,.0f}" if name in COUNTS else shown(value)


def plain(value: object) -> str:
    """A setting's JSON value as text."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(each)}" for name, each in value.items()) or "none"
    return "none" if value is None else str(value)


def not_judged(run_id: str, condition: RunCondition, data_dir: str | Path) -> RequestError:
    """The error of what needs a verdict, for a run without one: what it does or how it ended, and what to do next."""
    return RequestError(f"run {run_id} has no verdict; {condition}; next: `{condition.next_command(run_id, data_dir)}`")


def _judged(data_dir: str, run_id: str) -> tuple[RunManifest, Validation, Statistics]:
    manifest, layout = open_run(data_dir, run_id)
    if not layout.statistics.is_file():
        with closing(Ledger(layout.ledger, read_only=True)) as ledger:
            condition = ledger.condition()
        raise not_judged(run_id, condition, data_dir)
    return manifest, read_model(layout.validation, Validation), read_model(layout.statistics, Statistics)


def _rows(validation: Validation) -> tuple[object, ...]:
    """Facts that are equal for two runs that scored the same rows: symbols, days, numbers of rows, and labels."""
    each = {
        name: (row["rows"], row.get("positives", row.get("mean_label"))) for name, row in validation.per_symbol.items()
    }
    return validation.first, validation.last, tuple(sorted(each.items()))


def _numbers(validation: Validation) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    names = models_of(validation.target)
    for name in COMPARED_MODELS:
        found[f"{validation.loss.words}, {names[name]}"] = validation.scores[name].loss
    student, trading = validation.scores["student"], validation.trading["student"]
    by_target = (
        {"AUC, student": student.auc, "calibration error, student": student.ece}
        if isinstance(student, Scores)
        else {"R2, student": student.r2, "sign accuracy, student": student.sign_accuracy}
    )
    return found | {
        "skill in percent, student": None if student.skill is None else 100.0 * student.skill,
        **by_target,
        "net bps per day, student": trading.net_bps_a_day,
        "Sharpe per year, student": trading.sharpe,
        "maximum drawdown in percent, student": trading.max_drawdown_percent,
        "decisions, student": float(trading.trades),
    }
