"""A stored study without a fleet, written by the project's own writers."""

from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

from orchestrator.ledger.ledger import Ledger
from orchestrator.tuning.study_log import append_trial
from schemas.config.run import RunConfig
from schemas.config.tuning import Choices, Numbers, Space, StudySettings, Value
from schemas.contract.artifact import RunManifest
from schemas.contract.plan import Plan
from schemas.contract.run import Phase, RunStatus
from schemas.contract.study import Study, StudyTrial, TrialState
from schemas.contract.task import Outcome, Role, Status
from schemas.files.layout import RunLayout
from schemas.files.run_files import write_manifest, write_model

FOUND = "Best is trial 2: student.ridge=50 teacher=xgboost.\nOn the same 400 days it is better by +0.00200."
CHOSEN: tuple[dict[str, Value], ...] = (
    {},
    {"student.ridge": 5.5},
    {"student.ridge": 50.0, "teacher": "xgboost"},
    {"student.ridge": 900.0},
)


def stored_study(cwd: Path, name: str, status: RunStatus = RunStatus.READY) -> RunLayout:
    """A study of five trials: complete, pruned, the best, failed, and one with the settings of trial 2."""
    layout = RunLayout.under(cwd / "data", name)
    _write_run(layout, status, trained=0)
    with closing(Ledger(layout.ledger)) as ledger:
        ledger.set(
            duration_seconds="125.0", **({"study": FOUND} if status is RunStatus.READY else {"message": "stopped"})
        )
    settings = StudySettings(tune_end=date(2022, 1, 1), trials=5)
    space: Space = {
        "student.ridge": Numbers(low=1, high=1000, log=True),
        "teacher": Choices(choices=("xgboost", "forest")),
    }
    write_model(layout.study, Study(settings=settings, space=space))
    complete, pruned, failed = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED
    ended = (
        (complete, 0.010, (0.011, 0.010), ""), (pruned, None, (-0.002,), ""), (complete, 0.012, (0.013, 0.012), ""),
        (failed, None, (), "its students made <b>no</b> trade"),
    )  # fmt: skip
    for number, (state, value, steps, message) in enumerate(ended):
        run_id = layout.trial(number).folder.name
        trial = StudyTrial(
            number=number, run_id=run_id, chosen=CHOSEN[number], state=state, value=value, steps=steps, message=message
        )
        append_trial(layout, trial)
        _write_run(layout.trial(number), RunStatus.READY, trained=len(steps))
        if number == 2:
            best = trial
    append_trial(layout, best.model_copy(update={"number": 4, "same_as": 2}))
    layout.best.write_text("study = 'autumn'\n", encoding="utf-8")
    return layout


def _write_run(layout: RunLayout, status: RunStatus, trained: int) -> None:
    """`run.json`, and a ledger with so many trained windows."""
    layout.folder.mkdir(parents=True)
    config = RunConfig(start_date=date(2020, 1, 1), end_date=date(2024, 1, 1), data_dir=str(layout.data_dir))
    manifest = RunManifest(
        run_id=layout.folder.name, created=datetime.now(UTC), config=config, devices=(), bars=None, plan=Plan(),
        versions={},
    )  # fmt: skip
    write_manifest(layout, manifest)
    with closing(Ledger.create(layout.ledger)) as ledger:
        ledger.begin_phase(Phase.STUDENT_TRAINING)
        train(layout, ledger, [f"A_2020-01-0{number + 1}_to_2021-01-01" for number in range(trained)])
        ledger.end_phase(Phase.STUDENT_TRAINING, "success")
        ledger.set(status=status)


def train(layout: RunLayout, ledger: Ledger, names: list[str]) -> None:
    """Add trained windows of these names."""
    ledger.add(Role.STUDENT, names)
    ledger.settle(
        Outcome(
            run_id=layout.folder.name, role=Role.STUDENT, name=name, attempt=1, device="cpu0@a", status=Status.SUCCESS
        )
        for name in names
    )
