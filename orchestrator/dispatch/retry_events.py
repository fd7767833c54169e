"""Emits that work is tried again."""

from orchestrator.dispatch.work import Sent
from orchestrator.events.emitter import Emitter
from schemas.contract.event import WINDOW_PHASES, EventStatus, EventType
from schemas.contract.reason_words import words_for
from schemas.contract.task import FailureClass, WindowTask


def emit_retry(telemetry: Emitter, sent: Sent, failure: FailureClass | None = None, message: str = "") -> None:
    """Emit FAILED with the failure in words, or without one IN_PROGRESS with the device that takes over."""
    status = EventStatus.IN_PROGRESS if failure is None else EventStatus.FAILED
    why = "" if failure is None else f"{words_for(failure)}: {message}"
    work, (role, name) = sent.item.task(), sent.item.key
    window = work.window if isinstance(work, WindowTask) else None
    telemetry.emit(
        EventType.WINDOW_RETRY, status, WINDOW_PHASES.get(role), symbol=window and window.symbol,
        window_label=window and window.label, message=why, device=sent.device, attempt=sent.attempt,
        metrics={"role": role, "name": name},
    )  # fmt: skip
