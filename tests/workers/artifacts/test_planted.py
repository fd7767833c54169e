"""Artifacts and messages that no task of the run made are found and not used: each is compared with `run.json`."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from schemas.contract.artifact import METADATA_KINDS, StudentInputs, TeacherInputs, key_of
from schemas.contract.device import DEVICE_ENV, Device, DeviceKind
from schemas.contract.folders import FOLDERS_ENV, Folders
from schemas.contract.requests import RunQuestion
from schemas.contract.task import Outcome, Role, Status, WindowTask, work_name
from schemas.contract.window import Window
from schemas.files.atomic import sha256_of
from schemas.files.belonging import OwnRun, foreign_end, foreign_task
from schemas.files.layout import METADATA, RunLayout
from schemas.files.run_files import read_manifest, read_model, read_rows, write_model, write_rows
from schemas.redis.attempts import allow
from schemas.redis.dead_letters import Place, read_dead_letters
from schemas.redis.keys import attempts_key, outcomes_stream, work_field
from tests.conftest import Finished
from workers.handlers import execute
from workers.inspection.verification import verify


@pytest.fixture
def layout(two_device_run: Finished, tmp_path: Path) -> RunLayout:
    """A copy of a finished run, with its bars."""
    shutil.copytree(two_device_run.cwd / "data", tmp_path / "data")
    return RunLayout.under(tmp_path / "data", two_device_run.folder.name)


def trained(layout: RunLayout, role: Role = Role.TEACHER) -> str:
    """The label of a window that was trained."""
    return next(row.window_label for row in read_rows(layout, role) if row.status is Status.SUCCESS)


def broken(layout: RunLayout) -> list[str]:
    """What `verify` finds in a run."""
    answer = verify(RunQuestion(data_dir=str(layout.data_dir), run_id=layout.folder.name))
    assert answer.error is None
    return [line for line in answer.broken if "is not what it was computed from" not in line]


def plant(layout: RunLayout, role: Role, label: str, changes: dict[str, Any]) -> Path:
    """Store an artifact with other inputs and a key that is theirs, recorded in the run's rows as its own."""
    path = layout.artifact(label, role) / METADATA
    kind = METADATA_KINDS[role]
    own: type[TeacherInputs] | type[StudentInputs] = TeacherInputs if role is Role.TEACHER else StudentInputs
    found = read_model(path, kind).model_dump(mode="json")
    for name, value in changes.items():
        *where, last = name.split(".")
        place = found
        for part in where:
            place = place[part]
        place[last] = value
    other = kind.model_validate(found)
    if "key" not in changes:
        inputs = own.model_validate({name: found[name] for name in own.model_fields})
        other = other.model_copy(update={"key": key_of(inputs)})
    write_model(path, other)
    rows = [
        row.model_copy(update={"metadata_sha256": sha256_of(path), "key": other.key})
        if row.window_label == label else row
        for row in read_rows(layout, role)
    ]  # fmt: skip
    write_rows(layout, role, rows)
    return path


@pytest.mark.parametrize("role", [Role.TEACHER, Role.STUDENT])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings.threshold": 0.5}, "settings.threshold is 0.5, run.json has 0.0"),
        ({"settings.seed": 7}, "settings.seed is 7, run.json has "),
        ({"window.end": "2024-01-05"}, "window.end is 2024-01-05, run.json has "),
        ({"versions.numpy": "1.0"}, "versions.numpy is 1.0, run.json has "),
        ({"key": "0" * 64}, "key is 000000000000…, that of its inputs "),
        ({"bars_sha256.M&M": "0" * 64}, "bars_sha256.M&M is not that of "),
    ],
)
def test_verify_finds_an_artifact_of_other_inputs(
    layout: RunLayout, role: Role, changes: dict[str, Any], words: str
) -> None:
    """Whole, consistent and recorded in the rows: one line names the window and the first field that differs."""
    assert broken(layout) == []
    label = next(
        row.window_label for row in read_rows(layout, role) if row.status is Status.SUCCESS and row.symbol == "M&M"
    )
    path = plant(layout, role, label, changes)
    (line,) = [line for line in broken(layout) if "teacher_sha256" not in line and "scored inside" not in line]
    assert line.startswith(f"{path} was not made by this run: {words}")


def test_verify_finds_a_student_of_another_teacher(layout: RunLayout) -> None:
    """A teacher that was replaced by one with the same inputs is found at its student."""
    label = trained(layout, Role.STUDENT)
    path = layout.artifact(label, Role.TEACHER) / METADATA
    path.write_text(path.read_text().replace('"rounds": ', '"rounds": 1'))
    rows = read_rows(layout, Role.TEACHER)
    write_rows(
        layout, Role.TEACHER,
        [row.model_copy(update={"metadata_sha256": sha256_of(path)}) if row.window_label == label else row
         for row in rows],
    )  # fmt: skip
    (line,) = broken(layout)
    student = layout.artifact(label, Role.STUDENT) / METADATA
    assert line == f"{student} was not made by this run: teacher_sha256 is not that of {path}"


def test_a_student_of_another_teacher_does_not_end_its_window(layout: RunLayout) -> None:
    """Who may write the store can replace a teacher before a worker fetches it; the orchestrator has its own."""
    label = trained(layout, Role.STUDENT)
    row = next(row for row in read_rows(layout, Role.STUDENT) if row.window_label == label)
    path = layout.artifact(row.window_label, Role.STUDENT) / METADATA
    outcome = Outcome(
        run_id=layout.folder.name, role=Role.STUDENT, name=row.window_label, attempt=1, device="cpu0@here",
        status=Status.SUCCESS, digests={METADATA: sha256_of(path)}, key=row.key,
    )  # fmt: skip
    assert foreign_end(outcome, layout) == ""
    teacher = layout.artifact(row.window_label, Role.TEACHER) / METADATA
    teacher.write_text(teacher.read_text().replace('"rounds": ', '"rounds": 1'))
    assert foreign_end(outcome, layout) == f"{path} was not made by this run: teacher_sha256 is not that of {teacher}"


def test_verify_finds_a_folder_of_a_window_that_was_not_planned(layout: RunLayout) -> None:
    """A folder that was put there by hand and that no row names."""
    other = layout.artifact("M&M_2019-01-01_to_2019-06-01", Role.TEACHER)
    shutil.copytree(layout.artifact(trained(layout), Role.TEACHER), other)
    assert broken(layout) == [f"{other / METADATA} is in no row of teacher_runs.json"]


def message(layout: RunLayout, role: Role = Role.TEACHER) -> WindowTask:
    """The message that the run sends for its first window."""
    manifest, label = read_manifest(layout), trained(layout, role)
    window = OwnRun(manifest).window(role, label)
    assert window is not None and manifest.bars is not None
    return WindowTask(
        run_id=manifest.run_id, attempt=1, telemetry=False, role=role, window=window,
        settings=manifest.config.training(), bars={window.symbol: manifest.bars.symbols[window.symbol].sha256},
    )  # fmt: skip


OTHERS: dict[str, Callable[[WindowTask], dict[str, Any]]] = {
    "settings.threshold": lambda task: {"settings": task.settings.model_copy(update={"threshold": 0.5})},
    "settings.horizon": lambda task: {"settings": task.settings.model_copy(update={"horizon": 3})},
    "window.score_end": lambda task: {"window": task.window.model_copy(update={"score_end": task.window.end})},
    "plans no": lambda task: {"window": Window.model_validate(task.window.model_dump() | {"symbol": "TCS"})},
    "bars.M&M": lambda task: {"bars": {"M&M": "0" * 64}},
    "bars.TCS": lambda task: {"bars": {"TCS": "0" * 64}},
    "reuse": lambda task: {"reuse": True},
}


@pytest.mark.parametrize("field", OTHERS)
def test_a_message_must_be_the_one_that_run_json_gives(layout: RunLayout, field: str) -> None:
    """The run's own messages are accepted; one with another value is refused, and the field named."""
    run = OwnRun(read_manifest(layout))
    for role in (Role.TEACHER, Role.STUDENT):
        own = message(layout, role)
        assert foreign_task(own, run) == ""
        assert field in foreign_task(own.model_copy(update=OTHERS[field](own)), run)


def test_a_planted_message_is_set_aside_and_the_run_s_own_may_still_come(
    layout: RunLayout, redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A pool child trains nothing of it and returns no outcome; one line and a dead letter remain."""
    monkeypatch.setenv(DEVICE_ENV, Device(name="cpu0@here", kind=DeviceKind.CPU, slots=1).model_dump_json())
    monkeypatch.setenv(FOLDERS_ENV, Folders(data_dir=str(layout.data_dir)).model_dump_json())
    monkeypatch.setattr(execute, "shared", lambda: redis)
    own = message(layout)
    name = work_name(own)
    shutil.rmtree(layout.artifact(name, Role.TEACHER))
    allow(redis, own.run_id, own.role, name, own.attempt)
    planted = own.model_copy(update=OTHERS["settings.threshold"](own))
    with caplog.at_level(logging.WARNING):
        assert execute.execute(own.role, planted.model_dump(mode="json")) == ""
        assert execute.execute(own.role, own.model_copy(update={"run_id": "other"}).model_dump(mode="json")) == ""
    assert [f"teacher {name} attempt 1 is set aside" in line for line in caplog.messages] == [True, True]
    assert "settings.threshold is 0.5" in caplog.messages[0]
    counts, letters = read_dead_letters(redis, 5)
    assert counts == {Place.QUEUE: 2} and "settings.threshold is 0.5" in letters[1].reason
    assert redis.hget(attempts_key(own.run_id), work_field(own.role, name)) == b"1"
    assert not redis.exists(outcomes_stream(own.run_id))
    assert not layout.artifact(name, Role.TEACHER).exists()
    outcome = Outcome.model_validate_json(execute.execute(own.role, own.model_dump(mode="json")))
    assert (outcome.name, outcome.status) == (name, Status.SUCCESS)
    assert layout.artifact(name, Role.TEACHER).is_dir()
