"""Execute one attempt of a task, which has exactly one outcome, however it ends."""

import logging
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schemas.contract.device import DeviceKind
from schemas.contract.errors import FileError
from schemas.contract.folders import Folders
from schemas.contract.task import (
    RETRIED,
    FailureClass,
    IngestTask,
    Outcome,
    Role,
    RunTask,
    Status,
    WindowTask,
    work_name,
)
from schemas.files.belonging import foreign_task, own_run
from schemas.files.layout import RunLayout
from schemas.files.log_lines import about, facts
from schemas.redis.attempts import report
from schemas.redis.dead_letters import Place, set_aside
from schemas.redis.worker_connection import patiently, shared
from schemas.terminal.quick_import import quick_import
from workers.devices.folders import own_folders, refuse_outside
from workers.devices.nvml import refuse_full_memory
from workers.devices.pinning import current_device
from workers.handlers.audit import render_audit
from workers.handlers.ingest import ingest
from workers.handlers.judge import judge_gate, judge_students
from workers.handlers.remote import carry_out, fetch_manifest
from workers.handlers.report import classify, parse
from workers.handlers.task_result import Result
from workers.learning.skip import Skip

logger = logging.getLogger(__name__)


def _train_teacher(task: WindowTask, data_dir: Path) -> Result:
    with quick_import():
        from workers.handlers.train import train_teacher  # importing the learning stack takes a second

    return train_teacher(task, data_dir)


def _train_student(task: WindowTask, data_dir: Path) -> Result:
    with quick_import():
        from workers.handlers.train import train_student

    return train_student(task, data_dir)


HANDLERS: dict[Role, Callable[[Any, Path], Result]] = {
    Role.INGEST: ingest,
    Role.TEACHER: _train_teacher,
    Role.STUDENT: _train_student,
    Role.VALIDATION: judge_students,
    Role.STATISTICS: judge_gate,
    Role.AUDIT: render_audit,
}

EXIT_AFTER_FAILURE = 70


def execute(role: Role, message: dict[str, Any]) -> str:
    """Validate a message, whose attempt the worker has claimed, run its handler, and return the outcome as JSON.

    What is not a message of its run is set aside, and has no outcome.
    """
    task = parse(message)
    if task.role is not role:
        raise ValueError(f"message of role {task.role} came to task {role}")
    with about(facts(task.run_id, role, work_name(task), task.attempt)):
        return _carry_out(role, task)


def _carry_out(role: Role, task: IngestTask | WindowTask | RunTask) -> str:
    name, device, folders = work_name(task), current_device().name, own_folders()
    if why := _foreign_here_or_there(task, folders):
        logger.warning("%s %s attempt %d is set aside: %s", role, name, task.attempt, why)
        body = task.model_dump_json().encode()
        patiently(lambda: set_aside(shared(), Place.QUEUE, device, why, body))
        return ""
    outcome = attempt(task, device, folders)
    logger.info("%s %s attempt %d: %s %s", role, name, task.attempt, outcome.status, outcome.message)
    is_gpu = current_device().kind is DeviceKind.GPU
    if outcome.failure is FailureClass.OOM or (is_gpu and outcome.failure in RETRIED):
        # Only the end of the process releases all memory: CUDA's pools, and what a plug-in keeps from window to window.
        # A failed kernel leaves the CUDA context unusable.
        patiently(lambda: report(shared(), task.run_id, outcome.model_dump_json()))
        raise SystemExit(EXIT_AFTER_FAILURE)
    return outcome.model_dump_json()


def foreign(task: IngestTask | WindowTask | RunTask, folders: Folders) -> str:
    """Why a message about a window is not one that its run, under these folders, would send; empty if it is."""
    if not isinstance(task, WindowTask):
        return ""
    try:
        run = own_run(RunLayout.under(folders.data_dir, task.run_id))
    except FileError as error:
        return str(error)
    return foreign_task(task, run)


def _foreign_here_or_there(task: IngestTask | WindowTask | RunTask, folders: Folders) -> str:
    """As `foreign`, after another look at the run's newest `run.json` if there is a store."""
    why = foreign(task, folders)
    return foreign(task, folders) if why and fetch_manifest(task.run_id, folders) else why


def attempt(task: IngestTask | WindowTask | RunTask, device: str, folders: Folders) -> Outcome:
    """Run a task's handler under `folders` and classify how it ended. Never raises an exception of the handler."""
    began = time.perf_counter()

    def outcome(status: Status, **details: Any) -> Outcome:
        return Outcome(
            run_id=task.run_id,
            role=task.role,
            name=work_name(task),
            attempt=task.attempt,
            began=task.began,
            device=device,
            status=status,
            duration_seconds=time.perf_counter() - began,
            **details,
        )

    try:
        if isinstance(task, WindowTask):
            refuse_full_memory(current_device())
        if isinstance(task, IngestTask):
            refuse_outside(task.settings, folders, device)
        result = carry_out(task, folders, HANDLERS[task.role])
    except Skip as skip:
        return outcome(Status.SKIPPED, reason=skip.reason, message=str(skip))
    except Exception as error:
        text = str(error) or type(error).__name__
        return outcome(Status.FAILED, failure=classify(error), message=text, traceback=traceback.format_exc())
    return outcome(Status.SKIPPED if result.reason else Status.SUCCESS, **vars(result))
