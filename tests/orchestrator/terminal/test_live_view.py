"""Lines that a live view prints beside the drawing."""

import io
from datetime import UTC, datetime

from rich.console import Console

from orchestrator.terminal.live_view import LiveView
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.contract.task import Metric


def printed(*, terminal: bool, message: str, **metrics: Metric) -> str:
    """Output of one device heartbeat."""
    stream = io.StringIO()
    live_view = LiveView(Console(file=stream, force_terminal=terminal, width=200), "run")
    with live_view:
        live_view.show()
        live_view.take(
            TrainingEvent(
                timestamp=datetime(2026, 1, 1, tzinfo=UTC),
                run_id="run",
                event_type=EventType.DEVICE_HEARTBEAT,
                status=EventStatus.IN_PROGRESS,
                message=message,
                device="cpu0@alpha",
                metrics={"standing": "here", "slots": 2, **metrics},
                seq=1,
            )
        )
    return stream.getvalue()


def test_a_terminal_prints_no_line_for_a_device_that_joined() -> None:
    """The view lists the device; a metric of the event states whether it joined, not its message."""
    assert "cpu0@alpha changed its mind" not in printed(terminal=True, message="changed its mind", joined=True)
    assert "cpu0@alpha changed its mind" in printed(terminal=True, message="changed its mind")
    assert "cpu0@alpha changed its mind" in printed(terminal=False, message="changed its mind", joined=True)
