"""Context of the phases. Start and end of a phase are written to the ledger, then to telemetry, then to the screen."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.dispatch.loop import Dispatcher
from orchestrator.dispatch.work import Item
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.ledger import Ledger
from orchestrator.store.run_store import RunStore
from orchestrator.terminal.live_view import LiveView
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import DataError, FinalError, PhaseError
from schemas.contract.event import EventStatus, EventType
from schemas.contract.reason_words import words_for
from schemas.contract.run import Phase, RunStatus
from schemas.contract.task import FailureClass, Metric, Outcome, Role, RunTask, Status, work_name
from schemas.files.layout import RunLayout, audit_folder

logger = logging.getLogger(__name__)


@dataclass
class RunContext:
    """A run in progress; its manifest gets bars and plan from the first phase.

    `scratch` is the folder of what preflight has read of the source; None if the run was resumed. `store` is
    None if the workers share the data folder. `broker` is the URL of its fleet's broker.
    """

    manifest: RunManifest
    layout: RunLayout
    ledger: Ledger
    dispatcher: Dispatcher
    telemetry: Emitter
    live_view: LiveView
    scratch: Path | None = None
    store: RunStore | None = None
    broker: str = ""

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self.manifest.run_id

    @property
    def audit(self) -> Path:
        """Folder of the run's audit bundle."""
        return audit_folder(self.manifest.config.release_dir, self.run_id)

    def begin(self, phase: Phase, total: int = 1) -> None:
        """Record, announce and show that a phase begins."""
        self.ledger.begin_phase(phase)
        self.telemetry.emit(EventType.PHASE_START, EventStatus.IN_PROGRESS, phase, metrics={"planned": total})
        logger.info("phase %s begins", phase)

    def end(self, phase: Phase, error: str = "", metrics: dict[str, Metric] | None = None) -> None:
        """Record, announce and show that a phase ended: in success, or with the sentence `error`."""
        status = EventStatus.FAILED if error else EventStatus.SUCCESS
        seconds = self.ledger.end_phase(phase, status, error)
        self.telemetry.emit(
            EventType.PHASE_END, status, phase, message=error, duration_seconds=seconds, metrics=metrics or {}
        )
        logger.info("phase %s ends: %s %s", phase, status, error)
        if self.store is not None:
            self.store.publish_copy(self.ledger)

    def end_open(self, status: RunStatus, message: str) -> None:
        """End every phase that is still open: the run stops here."""
        for record in self.ledger.phases():
            if record.ended is None:
                seconds = self.ledger.end_phase(record.name, status, message)
                self.telemetry.emit(
                    EventType.PHASE_END, EventStatus(status), record.name, message=message, duration_seconds=seconds
                )

    @contextmanager
    def phase(self, phase: Phase, total: int = 1) -> Iterator[None]:
        """Begin and end a phase around a block; a DataError or PhaseError ends it as failed."""
        self.begin(phase, total)
        try:
            yield
        except (DataError, PhaseError) as error:
            self.end(phase, str(error))
            raise
        self.end(phase)

    def compute(
        self, role: Role, gates: Sequence[str | None] = (None,), phase: Phase | None = None
    ) -> dict[str, Outcome]:
        """Have workers do the run's own work of `role`, one task per gate, shown as progress of `phase`; wait for them.

        Outcomes by gate, or by run id where it is one task. PhaseError if one fails.
        """
        config = self.manifest.config
        inputs = None if self.store is None else self.store.offer_inputs()
        tasks = [
            RunTask(run_id=self.run_id, telemetry=config.telemetry, role=role, gate=gate, inputs=inputs)
            for gate in gates
        ]
        names = [work_name(task) for task in tasks]
        ends: list[Outcome] = []

        def on_end(outcome: Outcome) -> tuple[()]:
            ends.append(outcome)
            if phase is not None:
                self.telemetry.progress(phase, ends)
            return ()

        self.ledger.add(role, names)
        self.ledger.reopen(role, names)
        self.dispatcher.run([Item(task) for task in tasks], on_end)
        for outcome in ends:
            if outcome.status is not Status.SUCCESS:
                what = role if outcome.name == self.run_id else f"{role} {outcome.name}"
                kind = FinalError if outcome.failure is FailureClass.BUG else PhaseError
                raise kind(f"{what} failed ({words_for(outcome.failure)}): {outcome.message}")
        return {outcome.name: outcome for outcome in ends}
