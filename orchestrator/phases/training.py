"""Phases teacher_training and student_training, overlapping: a student is queued the moment its teacher is done."""

from collections import Counter
from collections.abc import Iterable

from orchestrator.backlog import Item
from orchestrator.context import RunContext
from orchestrator.ledger import WorkRecord
from orchestrator.rows import store_rows
from schemas.artifacts import RunRow
from schemas.errors import PhaseError
from schemas.events import EventStatus, EventType, Phase
from schemas.layout import remove_temporary
from schemas.messages import Metric, Outcome, Role, Status, WindowTask

PHASES = {Role.TEACHER: Phase.TEACHER_TRAINING, Role.STUDENT: Phase.STUDENT_TRAINING}

END_EVENTS = {
    (Role.TEACHER, Status.SUCCESS): EventType.TEACHER_WINDOW_SUCCESS,
    (Role.TEACHER, Status.SKIPPED): EventType.TEACHER_WINDOW_SKIP,
    (Role.TEACHER, Status.FAILED): EventType.TEACHER_WINDOW_FAIL,
    (Role.STUDENT, Status.SUCCESS): EventType.STUDENT_WINDOW_SUCCESS,
    (Role.STUDENT, Status.SKIPPED): EventType.STUDENT_WINDOW_SKIP,
    (Role.STUDENT, Status.FAILED): EventType.STUDENT_WINDOW_FAIL,
}


def run(context: RunContext) -> None:
    """Train what the ledger does not hold yet. PhaseError if too many windows failed, or none was trained."""
    _Training(context).run()


class _Training:
    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.windows = {planned.window.label: planned.window for planned in context.manifest.plan}
        self.sizes = {planned.window.label: planned.expected_rows for planned in context.manifest.plan}
        assert context.manifest.bars is not None
        self.bars = {symbol: row.sha256 for symbol, row in context.manifest.bars.symbols.items()}
        self.teachers_open = 0
        self.students_ended: set[str] = set()
        self.errors: list[str] = []

    def run(self) -> None:
        context = self.context
        enter_plan(context)
        teachers = {record.name: record for record in context.ledger.records(Role.TEACHER)}
        students = {record.name: record for record in context.ledger.records(Role.STUDENT)}
        pending = [label for label in self.windows if teachers[label].status is None]
        self.teachers_open = len(pending)
        self.students_ended = {label for label, record in students.items() if record.status is not None}
        self._begin(Phase.TEACHER_TRAINING, teachers.values())
        self._announce(teachers.values())
        self._begin(Phase.STUDENT_TRAINING, students.values())
        context.telemetry.emit(EventType.STUDENT_BATCH_START, EventStatus.IN_PROGRESS, Phase.STUDENT_TRAINING)
        self._announce(students.values())
        if not pending:
            self._end_teachers()
        work = [self._item(Role.TEACHER, label) for label in pending]
        work += [
            task
            for label in students
            if teachers[label].status is not None
            for task in self._student_of(label, teachers[label])
        ]
        context.dispatcher.run(work, self._on_end)
        remove_temporary(context.layout.folder)
        self._end_students()
        if self.errors:
            raise PhaseError("; ".join(self.errors))

    def _begin(self, phase: Phase, records: Iterable[WorkRecord]) -> None:
        statuses = [record.status for record in records]
        done = sum(status is not None for status in statuses)
        self.context.begin(phase, len(statuses), done, statuses.count(Status.SKIPPED))

    def _on_end(self, outcome: Outcome) -> Iterable[Item]:
        phase = PHASES[outcome.role]
        status = outcome.status
        self.context.progress.advance(phase, failed=status is Status.FAILED, skipped=status is Status.SKIPPED)
        self._emit(outcome, status)
        if outcome.role is Role.STUDENT:
            return ()
        self.teachers_open -= 1
        students = self._student_of(outcome.name, outcome)
        if not self.teachers_open:
            self._end_teachers()
        return students

    def _student_of(self, label: str, teacher: Outcome | WorkRecord) -> list[Item]:
        """The student's task, if it is still to be done; where its teacher did not succeed, its end is settled here."""
        if label in self.students_ended:
            return []
        if teacher.status is Status.SUCCESS:
            return [self._item(Role.STUDENT, label)]
        skipped = teacher.status is Status.SKIPPED
        settled = Outcome(
            run_id=self.context.run_id,
            role=Role.STUDENT,
            name=label,
            attempt=0,
            device=teacher.device or "",
            status=Status.SKIPPED if skipped else Status.FAILED,
            reason=teacher.reason,
            failure=teacher.failure,
            message=teacher.message if skipped else f"its teacher failed: {teacher.message}",
        )
        self.context.ledger.settle([settled])
        self.context.progress.advance(Phase.STUDENT_TRAINING, failed=not skipped, skipped=skipped)
        self._emit(settled, settled.status)
        return []

    def _item(self, role: Role, label: str) -> Item:
        window = self.windows[label]
        task = WindowTask(
            run_id=self.context.run_id,
            data_dir=self.context.data_dir,
            telemetry=self.context.manifest.config.telemetry,
            role=role,
            window=window,
            settings=self.context.manifest.config.training(),
            bars_sha256=self.bars[window.symbol],
            reuse=self.context.manifest.config.reuse,
        )
        return Item(task, size=self.sizes[label])

    def _emit(self, outcome: Outcome | WorkRecord, status: Status) -> None:
        window = self.windows[outcome.name]
        self.context.telemetry.emit(
            END_EVENTS[outcome.role, status],
            EventStatus(status.value),
            PHASES[outcome.role],
            symbol=window.symbol,
            window_label=window.label,
            metrics=outcome.metrics,
            message=f"{outcome.reason}: {outcome.message}" if outcome.reason else outcome.message,
            duration_seconds=outcome.duration_seconds,
            device=outcome.device or None,
            attempt=outcome.attempt or None,
        )

    def _announce(self, records: Iterable[WorkRecord]) -> None:
        """Tell of every end that no event has told of: what the plan skips, and what a killed process left untold."""
        told = self.context.telemetry.told()
        for record in records:
            if record.status is not None and (END_EVENTS[record.role, record.status], record.name) not in told:
                self._emit(record, record.status)

    def _end_teachers(self) -> None:
        error, metrics = self._close(Role.TEACHER)
        self.context.end(Phase.TEACHER_TRAINING, error, metrics)

    def _end_students(self) -> None:
        error, metrics = self._close(Role.STUDENT)
        status = EventStatus.FAILED if error else EventStatus.SUCCESS
        self.context.telemetry.emit(
            EventType.STUDENT_BATCH_END, status, Phase.STUDENT_TRAINING, metrics=metrics, message=error
        )
        self.context.end(Phase.STUDENT_TRAINING, error, metrics)

    def _close(self, role: Role) -> tuple[str, dict[str, Metric]]:
        """Store the role's rows; the error sentence ('' if none) and the counts."""
        context = self.context
        rows = store_rows(context.manifest, context.ledger, context.layout, role)
        counts = context.ledger.counts(role)
        success, skipped, failed = (counts.get(status, 0) for status in Status)
        metrics: dict[str, Metric] = {
            "planned": len(self.windows),
            "success": success,
            "skipped": skipped,
            "failed": failed,
        }
        error = failure_sentence(role, success, failed, context.manifest.config.max_failure_rate)
        if error:
            error += _first_reasons(rows)
        if error:
            self.errors.append(error)
        return error, metrics


def failure_sentence(role: Role, success: int, failed: int, max_failure_rate: float) -> str:
    """Why a role's phase failed, or '' if it did not."""
    attempted = success + failed
    if not success:
        return f"no {role} was trained, {failed} failed"
    if failed / attempted > max_failure_rate:
        return f"{failed} of {attempted} {role}s failed, more than --max-failure-rate {max_failure_rate:g} allows"
    return ""


def _first_reasons(rows: list[RunRow]) -> str:
    """The first failure, or why windows were skipped if none failed."""
    failure = next((row for row in rows if row.status is Status.FAILED), None)
    if failure is not None:
        return f"; first {failure.window_label}: {failure.message}"
    skips = Counter(row.reason for row in rows if row.reason)
    return "; skipped: " + ", ".join(f"{count} {reason}" for reason, count in skips.items())


def enter_plan(context: RunContext) -> None:
    """Enter every window of the plan in the ledger, those that it skips as ended."""
    manifest, ledger = context.manifest, context.ledger
    skipped: list[Outcome] = []
    for role in (Role.TEACHER, Role.STUDENT):
        known = {record.name for record in ledger.records(role)}
        fresh = [planned for planned in manifest.plan if planned.window.label not in known]
        skipped += [
            Outcome(
                run_id=manifest.run_id,
                role=role,
                name=planned.window.label,
                attempt=0,
                device="",
                status=Status.SKIPPED,
                reason=planned.skip,
                message=planned.detail,
            )
            for planned in fresh
            if planned.skip
        ]
        ledger.add(role, [planned.window.label for planned in fresh if not planned.skip])
    ledger.settle(skipped)
