"""Phases teacher_training and student_training, overlapping: a student is queued as soon as its teacher is done."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date

from orchestrator.dispatch.work import Item, Planned
from orchestrator.ledger.export import planned_of, store_rows
from orchestrator.ledger.ledger import WorkRecord
from orchestrator.phases.phase_context import RunContext
from orchestrator.phases.trial_record import record_trial
from schemas.contract.errors import FinalError, PhaseError
from schemas.contract.event import WINDOW_PHASES, EventStatus, EventType
from schemas.contract.reason_words import tally, words_for
from schemas.contract.run import Phase
from schemas.contract.task import FailureClass, Metric, Outcome, Role, Status, WindowTask
from schemas.contract.window import PlannedWindow, SkipReason
from schemas.files.atomic import remove_temporary

END_EVENTS = {
    (Role.TEACHER, Status.SUCCESS): EventType.TEACHER_WINDOW_SUCCESS,
    (Role.TEACHER, Status.SKIPPED): EventType.TEACHER_WINDOW_SKIP,
    (Role.TEACHER, Status.FAILED): EventType.TEACHER_WINDOW_FAIL,
    (Role.STUDENT, Status.SUCCESS): EventType.STUDENT_WINDOW_SUCCESS,
    (Role.STUDENT, Status.SKIPPED): EventType.STUDENT_WINDOW_SKIP,
    (Role.STUDENT, Status.FAILED): EventType.STUDENT_WINDOW_FAIL,
}


def run(context: RunContext, goes_on: Callable[[date], bool] | None = None) -> None:
    """Train what the ledger does not hold yet. PhaseError if too many windows failed, or none was trained.

    With `goes_on` the windows that end on one day are trained before the next; it is called with that day, and if it
    returns False, the windows that are left end as skipped.
    """
    _Training(context, goes_on).run()


class _Training:
    def __init__(self, context: RunContext, goes_on: Callable[[date], bool] | None) -> None:
        self.context, self.goes_on = context, goes_on
        self.plan = {role: planned_of(context.manifest, role) for role in WINDOW_PHASES}
        assert context.manifest.bars is not None
        self.bars = {symbol: row.sha256 for symbol, row in context.manifest.bars.symbols.items()}
        # The first task that was made; the others are copies of it, which share its settings and bars.
        self.task: WindowTask | None = None
        self.teachers_open = 0
        self.students_ended: set[str] = set()
        self.errors: list[str] = []

    def run(self) -> None:
        context = self.context
        enter_plan(context)
        if self.goes_on is None:
            context.dispatcher.run(self._begin(), self._on_end)
        else:
            self._run_by_end(self._begin(), self.goes_on)
        remove_temporary(context.layout.folder)
        self._end_students()
        record_trial(context, "trained")
        if self.errors:
            raise (FinalError if self._only_bugs() else PhaseError)("; ".join(self.errors))

    def _run_by_end(self, work: Iterable[Item], goes_on: Callable[[date], bool]) -> None:
        """Train the windows that end first, then ask whether to go on; after the last there is nothing to ask."""
        by_end: dict[date, list[Item]] = {}
        for item in work:
            by_end.setdefault(self._planned(*item.key).window.end, []).append(item)
        days = sorted({each.window.end for each in self.plan[Role.TEACHER] if each.skip is None})
        for day in days:
            self.context.dispatcher.run(by_end.get(day, ()), self._on_end)
            if not goes_on(day) and day != days[-1]:
                self._prune(day)
                return

    def _prune(self, day: date) -> None:
        """End every window that is left as skipped."""
        ledger, why = self.context.ledger, f"the trial was ended after the windows to {day}"
        for role in self.plan:
            for label in sorted(ledger.names(role) - ledger.names(role, ended=True)):
                self._settle(role, label, Status.SKIPPED, why, reason=SkipReason.PRUNED)
        if self.teachers_open:
            self.teachers_open = 0
            self._end_teachers()

    def _begin(self) -> Iterator[Item]:
        """Begin both phases, and return what can be trained now: one at a time, as a run has up to a million."""
        context = self.context
        ended = context.ledger.names(Role.TEACHER, ended=True)
        self.students_ended = context.ledger.names(Role.STUDENT, ended=True)
        teachers, students = (sum(context.ledger.counts(role).values()) for role in (Role.TEACHER, Role.STUDENT))
        self.teachers_open = teachers - len(ended)
        context.begin(Phase.TEACHER_TRAINING, teachers)
        self._announce(Role.TEACHER)
        context.begin(Phase.STUDENT_TRAINING, students)
        context.telemetry.emit(EventType.STUDENT_BATCH_START, EventStatus.IN_PROGRESS, Phase.STUDENT_TRAINING)
        self._announce(Role.STUDENT)
        if not self.teachers_open:
            self._end_teachers()
        return self._open_work(ended)

    def _open_work(self, ended: set[str]) -> Iterator[Item]:
        """Teachers that have not ended, then the students of those that have."""
        for planned in self.plan[Role.TEACHER]:
            if planned.window.label not in ended:
                yield self._item(Role.TEACHER, planned)
        for record in self.context.ledger.records(Role.TEACHER, ended=True) if ended else ():
            yield from self._students_of(record)

    def _only_bugs(self) -> bool:
        """Whether every failed window met a bug, which it would meet again, or the data let none be trained."""
        failures = {record.failure for role in self.plan for record in self.context.ledger.records(role, ended=True)}
        return failures <= {None, FailureClass.BUG}

    def _on_end(self, outcome: Outcome) -> Iterable[Item]:
        self._emit(outcome, outcome.status)
        if outcome.role is Role.STUDENT:
            return ()
        self.teachers_open -= 1
        students = self._students_of(outcome)
        if not self.teachers_open:
            self._end_teachers()
        return students

    def _students_of(self, teacher: Outcome | WorkRecord) -> list[Item]:
        """The tasks of a teacher's students that have not ended yet."""
        found = self.plan[Role.STUDENT].taught_by(teacher.name)
        open_ones = [each for each in found if each.window.label not in self.students_ended]
        if teacher.status is Status.SUCCESS:
            return [self._item(Role.STUDENT, each) for each in open_ones]
        is_skipped = teacher.status is Status.SKIPPED
        for each in open_ones:
            self._settle(
                Role.STUDENT, each.window.label, Status.SKIPPED if is_skipped else Status.FAILED,
                teacher.message if is_skipped else f"its teacher failed: {teacher.message}",
                reason=teacher.reason, failure=teacher.failure, device=teacher.device or "",
            )  # fmt: skip
        return []

    def _settle(
        self, role: Role, label: str, status: Status, message: str, *, reason: SkipReason | None = None,
        failure: FailureClass | None = None, device: str = "",
    ) -> None:  # fmt: skip
        """End a window without an attempt of its own."""
        settled = Outcome(
            run_id=self.context.run_id, role=role, name=label, attempt=0, device=device, status=status,
            reason=reason, failure=failure, message=message,
        )  # fmt: skip
        self.context.ledger.settle([settled])
        self._emit(settled, settled.status)

    def _item(self, role: Role, planned: PlannedWindow) -> Item:
        window = planned.window
        return Item(Planned(role, window.label, window.symbol, self._task), size=planned.expected_rows)

    def _planned(self, role: Role, label: str) -> PlannedWindow:
        planned = self.plan[role].labelled(label)
        assert planned is not None  # only work of the plan is sent and ends
        return planned

    def _task(self, role: Role, label: str) -> WindowTask:
        planned = self._planned(role, label)
        if self.task is None:
            config = self.context.manifest.config
            self.task = WindowTask(
                run_id=self.context.run_id, telemetry=config.telemetry, role=role, window=planned.window,
                settings=config.training(), bars=self.bars, reuse=config.reuse,
            )  # fmt: skip
        return self.task.model_copy(update={"role": role, "window": planned.window})

    def _emit(self, outcome: Outcome | WorkRecord, status: Status) -> None:
        window = self._planned(outcome.role, outcome.name).window
        self.context.telemetry.emit(
            END_EVENTS[outcome.role, status],
            EventStatus(status.value),
            WINDOW_PHASES[outcome.role],
            symbol=window.symbol,
            window_label=window.label,
            metrics=outcome.metrics,
            message=f"{words_for(outcome.reason)}: {outcome.message}" if outcome.reason else outcome.message,
            duration_seconds=outcome.duration_seconds,
            device=outcome.device or None,
            attempt=outcome.attempt or None,
        )

    def _announce(self, role: Role) -> None:
        """Emit the end events that the log lacks: of windows that the plan skips, and of those before a kill."""
        logged = self.context.telemetry.logged_windows()
        for record in self.context.ledger.records(role, ended=True):
            if record.status is not None and (END_EVENTS[record.role, record.status], record.name) not in logged:
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
        store_rows(context.manifest, context.ledger, context.layout, role)
        counts = context.ledger.counts(role)
        success, skipped, failed = (counts.get(status, 0) for status in Status)
        metrics: dict[str, Metric] = {
            "planned": len(self.plan[role]),
            "success": success,
            "skipped": skipped,
            "failed": failed,
        }
        error = failure_sentence(role, success, failed, context.manifest.config.max_failure_rate)
        if error:
            error += self._first_reasons(role)
        if error:
            self.errors.append(error)
        return error, metrics

    def _first_reasons(self, role: Role) -> str:
        """The first failure in the order of the plan, or why windows were skipped if none failed."""
        failed = self._failed(role)
        if failed:
            first = next(label for each in self.plan[role] if (label := each.window.label) in failed)
            untaught = role is Role.STUDENT and first in self._failed(Role.TEACHER)
            return f"; first {first}: {'its teacher failed' if untaught else failed[first]}"
        skips = Counter(self.context.ledger.skips(role).values())
        return f"; skipped: {tally(skips)}"

    def _failed(self, role: Role) -> dict[str, str]:
        """The message of each window that failed, by name."""
        records = self.context.ledger.records(role, ended=True)
        return {each.name: each.message for each in records if each.status is Status.FAILED}


def failure_sentence(role: Role, success: int, failed: int, max_failure_rate: float) -> str:
    """Why a role's phase failed, or '' if it did not."""
    attempted = success + failed
    if not success:
        return f"no {role} was trained, {failed} failed"
    if failed / attempted > max_failure_rate:
        return f"{failed} of {attempted} {role}s failed, more than --max-failure-rate {max_failure_rate:g} allows"
    return ""


def enter_plan(context: RunContext) -> None:
    """Enter every window of the plan in the ledger, those that it skips as ended."""
    manifest, ledger = context.manifest, context.ledger
    for role in (Role.TEACHER, Role.STUDENT):
        known = ledger.names(role)
        plan = planned_of(manifest, role)
        ledger.settle(
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
            for planned in plan
            if planned.skip and planned.window.label not in known
        )
        ledger.add(role, (planned.window.label for planned in plan if not planned.skip))
