"""What a study found: its best settings as a file for `--config`, and how far they can be trusted, in sentences."""

from collections.abc import Sequence
from math import e
from statistics import NormalDist

from orchestrator.planning.windows import start_from
from orchestrator.runs.worker_process import ask
from orchestrator.tuning.study_log import best_of
from orchestrator.tuning.trial_config import trial_config
from schemas.config.run import RunConfig
from schemas.config.tuning import UNITS, Value
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import RequestError
from schemas.contract.numbers import shown
from schemas.contract.requests import PairedDifference, PairedQuestion
from schemas.contract.study import Study, StudyTrial, TrialState
from schemas.files.atomic import write_atomic
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest
from schemas.files.run_paths import absolute

# Settings of how the study was run, and those that were resolved into others; the best run is given its own.
OF_THE_STUDY = {
    "devices", "broker", "broker_file", "local_workers", "min_devices", "max_devices", "priority", "log_dir",
    "log_format", "json_summary", "symbols_file", "format_file", "second_options", "run_id", "reuse", "telemetry",
    "telemetry_dir", "telemetry_buffer", "telemetry_delay", "window_limit", "plugged", "members",
    "own_gates", "own_source", "every_symbol", "broker_login", "mlflow",
}  # fmt: skip
ALWAYS = ("start_date", "end_date", "data_dir")
EULER = 0.5772156649015329


def best_config(manifest: RunManifest, study: Study, best: StudyTrial) -> RunConfig:
    """The run with the best settings: its windows are those of the same grid that score no day of the study."""
    config = trial_config(manifest.config, study, best.chosen)
    start = start_from(config, study.settings.tune_end)
    return config.model_copy(update={"start_date": start, "study": manifest.run_id})


def write_best(layout: RunLayout, study: Study, ended: Sequence[StudyTrial], sentences: Sequence[str]) -> None:
    """Write `best.toml` from the trials so far, if one of them is complete; `sentences` become its comment."""
    import tomli_w

    best = best_of(ended)
    if best is None:
        return
    config = absolute(best_config(read_manifest(layout), study, best))
    usual = RunConfig(start_date=config.start_date, end_date=config.end_date, data_dir=config.data_dir)
    plain = usual.model_dump(mode="json")
    given = {
        name: value
        for name, value in config.model_dump(mode="json", exclude=OF_THE_STUDY).items()
        if value is not None and (name in ALWAYS or value != plain.get(name))
    }
    head = [
        f"Settings of trial {best.number}, the best of the {len(ended)} trials of study {layout.folder.name}.",
        *sentences,
        f"A run of this file scores days from {study.settings.tune_end} on, which no trial has seen.",
        "Its verdict counts all trials.",
    ]
    write_atomic(layout.best, "".join(f"# {line}\n" for line in head) + "\n" + tomli_w.dumps(given))


def conclude(layout: RunLayout, study: Study, ended: Sequence[StudyTrial]) -> list[str]:
    """What the study found: the best trial beside the one without a change, and what luck alone would have found."""
    best, unit = best_of(ended), UNITS[study.settings.objective]
    if best is None:
        return ["No trial is complete."]
    first = ended[0]
    what = f"{study.settings.objective} {shown(first.value, '+')} {unit}"
    if best.number == 0:
        return [f"No trial is better than the configuration without a change ({what}); keep it."]
    values = f"{shown(best.value, '+')} {unit}, without a change {shown(first.value, '+')}"
    found = [
        f"Best is trial {best.number}: {described(best.chosen)}.",
        f"Its {study.settings.objective} is {values}.",
    ]
    question = PairedQuestion(
        data_dir=str(layout.data_dir.absolute()), run_id=best.run_id, other=first.run_id,
        objective=study.settings.objective,
    )  # fmt: skip
    try:
        paired = ask("paired", question, PairedDifference)
    except RequestError as error:
        return [*found, f"The error of the difference is not known: {error}."]
    return [*found, *_compared(paired, unit, sum(each.state is TrialState.COMPLETE for each in ended) - 1)]


def _compared(paired: PairedDifference, unit: str, others: int) -> list[str]:
    if paired.difference is None or paired.standard_error is None:
        return [f"On the same {paired.days:,} days both are equal: nothing better was found."]
    errors = paired.difference / paired.standard_error
    luck = expected_best(others)
    sentence = (
        f"On the same {paired.days:,} days it is better by {shown(paired.difference, '+')} +- "
        f"{shown(paired.standard_error)} {unit}, {shown(errors, '+')} standard errors"
    )
    if errors <= 1.0:
        verdict = "not more than one: nothing was found that is surely better; keep the configuration without a change"
    elif errors <= luck:
        verdict = f"no more than the best of {others} without any effect has by luck ({shown(luck)})"
    else:
        verdict = f"the best of {others} without any effect would have {shown(luck)} by luck"
    return [f"{sentence}: {verdict}."]


def expected_best(count: int) -> float:
    """The expected largest of `count` independent standard normal numbers (Bailey and Lopez de Prado 2014)."""
    if count < 2:
        return 0.0
    quantile = NormalDist().inv_cdf
    return (1 - EULER) * quantile(1 - 1 / count) + EULER * quantile(1 - 1 / (count * e))


def described(chosen: dict[str, Value]) -> str:
    """Values in one line: `teacher.max_depth=4 student.ridge=50`."""
    return " ".join(f"{name}={written(value)}" for name, value in chosen.items()) or "no change"


def written(value: Value | None) -> str:
    """A value in a table: numbers with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
