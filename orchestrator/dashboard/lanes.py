"""What each device did when: a bar per attempt, or for many devices the share of its slots in use, as a strip."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.events.run_state import DeviceState, RunState, Span
from schemas.contract.event import EventStatus
from schemas.contract.task import Role

# With more devices than these, each has a strip.
MOST_WITH_BARS = 6
STRIPS, TICKS = 120, 5
LEAST_PERCENT = 0.15


@dataclass(frozen=True)
class Block:
    """A rectangle of a lane; all lengths are percent of the lane's. `opacity` is 0 to 1."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    opacity: float
    title: str


@dataclass(frozen=True)
class Lanes:
    """Blocks by device, and the labels of the time axis with their places in percent."""

    blocks: dict[str, list[Block]]
    ticks: list[tuple[float, str]]


def lanes(state: RunState, now: datetime) -> Lanes | None:
    """Lanes of the last attempts of all devices up to `now`; None before the first attempt."""
    spans = [*state.spans, *(span for device in state.devices.values() for span in _running(device, now))]
    if not spans:
        return None
    first = min(span.began for span in spans)
    whole = max(now - first, timedelta(milliseconds=1))
    by_device: dict[str, list[Span]] = {name: [] for name in state.devices}
    for span in spans:
        by_device.setdefault(span.device, []).append(span)
    draw = _bars if len(by_device) <= MOST_WITH_BARS else _strip
    blocks = {
        name: draw(of, first, whole, state.devices[name].slots if name in state.devices else 1)
        for name, of in by_device.items()
    }
    ticks = [
        (100.0 * k / (TICKS - 1), f"{(first + whole * k / (TICKS - 1)).astimezone():%H:%M:%S}") for k in range(TICKS)
    ]
    return Lanes(blocks, ticks)


def _running(device: DeviceState, now: datetime) -> Iterable[Span]:
    for (role, label), began in device.running.items():
        yield Span(device.name, role, label, began, now, EventStatus.IN_PROGRESS)


_TONES = {
    EventStatus.SUCCESS: "good",
    EventStatus.IN_PROGRESS: "busy",
    EventStatus.FAILED: "bad",
    EventStatus.SKIPPED: "mute",
}


def _bars(spans: list[Span], first: datetime, whole: timedelta, slots: int) -> list[Block]:
    """A bar per attempt; teachers in the upper half, students in the lower."""
    found = []
    for span in spans:
        took = max(span.ended - span.began, timedelta())
        found.append(
            Block(
                x=100.0 * ((span.began - first) / whole),
                y=8.0 if span.role is Role.TEACHER else 54.0,
                width=max(100.0 * (took / whole), LEAST_PERCENT),
                height=38.0,
                tone=_TONES.get(span.status, "wait"),
                opacity=1.0,
                title=f"{span.role.value} {span.label}: {span.status.value.replace('_', ' ')},"
                f" {took.total_seconds():.2f} s",
            )
        )
    return found


def _strip(spans: list[Span], first: datetime, whole: timedelta, slots: int) -> list[Block]:
    """A rectangle per part of the time, the stronger the more slots were in use."""
    busy = [0.0] * STRIPS
    for span in spans:
        begin, end = ((each - first) / whole * STRIPS for each in (span.began, max(span.ended, span.began)))
        for place in range(max(int(begin), 0), min(int(end) + 1, STRIPS)):
            busy[place] += max(min(end, place + 1) - max(begin, place), 0.0)
    width = 100.0 / STRIPS
    shares = [min(each / max(slots, 1), 1.0) for each in busy]
    return [
        Block(place * width, 8.0, width, 84.0, "busy", share, f"{100 * share:.0f} % of its slots in use")
        for place, share in enumerate(shares)
        if share >= 0.005
    ]
