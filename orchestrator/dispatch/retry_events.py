"""Emits that work is tried again."""

from orchestrator.dispatch.work import Sent
from orchestrator.events.emitter import Emitter
from schemas.contract.event import WINDOW_PHASES, EventStatus, EventType
from schemas.contract.task import WindowTask


def emit_retry(telemetry: Emitter, sent: Sent, status: EventStatus, message: str) -> None:
    """Emit FAILED with the reason, or IN_PROGRESS with the device that takes over."""
    work, (role, name) = sent.item.task(), sent.item.key
    window = work.window if isinstance(work, WindowTask) else None
    telemetry.emit(
        EventType.WINDOW_RETRY, status, WINDOW_PHASES.get(role), symbol=window and window.symbol,
        window_label=window and window.label, message=message, device=sent.device, attempt=sent.attempt,
        metrics={"role": role, "name": name},
    )  # fmt: skip
