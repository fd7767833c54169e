"""Events of a small run, live and in the log: those of the previous pipeline's types."""

import json
import threading
from pathlib import Path

from redis import Redis

from schemas.contract.event import TrainingEvent
from schemas.redis.keys import events_stream, telemetry_channel
from tests.conftest import command, finished_run, write_bars

SEED_TYPES = {
    "run_start", "run_end", "phase_start", "phase_end", "teacher_window_success", "teacher_window_skip",
    "teacher_window_fail", "student_batch_end", "validation_complete", "stat_test_complete",
}  # fmt: skip

QUARTER = ("--symbols", "TCS,INFY", "--start-date", "2024-01-01", "--end-date", "2024-03-31", "--threshold", "0.005")


class Subscriber:
    """Listens on a run's channel from before the run until its `run_end`."""

    def __init__(self, url: str, run_id: str) -> None:
        self.received: list[str] = []
        self._pubsub = Redis.from_url(url).pubsub()  # type: ignore[no-untyped-call]
        self._pubsub.subscribe(telemetry_channel(run_id))
        assert self._pubsub.get_message(timeout=5) is not None
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        for message in self._pubsub.listen():
            self.received.append(message["data"].decode())
            if json.loads(self.received[-1])["event_type"] == "run_end":
                return

    def end(self) -> list[str]:
        self._thread.join(timeout=30)
        assert not self._thread.is_alive(), "no run_end was published"
        self._pubsub.close()
        return self.received


def test_two_symbols_and_a_quarter_make_nineteen_events_over_six_phases(fleet: tuple[str, ...], tmp_path: Path) -> None:
    """With `--skip-fetch` the log holds 19 events of the known types over 6 phases, in causal order, all also live."""
    bars = write_bars(tmp_path / "bars", ("TCS", "INFY"))
    assert command("ingest", "--source", f"csv:{bars}", *fleet, cwd=tmp_path).returncode == 0
    subscriber = Subscriber(fleet[1], "second")
    run = finished_run(tmp_path, *QUARTER, "--skip-fetch", *fleet, "--run-id", "second")
    received = subscriber.end()
    lines = (tmp_path / run.summary["paths"]["telemetry"]).read_text().splitlines()
    assert received == lines
    with Redis.from_url(fleet[1]) as redis:
        assert redis.exists(events_stream("second"))
    events = [TrainingEvent.model_validate_json(line) for line in lines]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    known = [event for event in events if event.event_type in SEED_TYPES]
    assert len(known) == 19
    assert len({event.phase for event in known if event.phase}) == 6
    assert_causal(known)


def assert_causal(events: list[TrainingEvent]) -> None:
    """The run's events enclose all others; a phase's start and end enclose its events; verdicts follow their inputs."""
    assert (events[0].event_type, events[-1].event_type) == ("run_start", "run_end")
    place = {(event.event_type.value, event.phase): i for i, event in enumerate(events)}
    for phase in {event.phase for event in events if event.phase}:
        inside = [i for i, event in enumerate(events) if event.phase is phase]
        assert events[inside[0]].event_type == "phase_start"
        assert events[inside[-1]].event_type == "phase_end"
    order = [
        ("phase_start", "teacher_training"), ("teacher_window_success", "teacher_training"),
        ("student_batch_end", "student_training"), ("phase_end", "student_training"),
        ("phase_start", "model_validation"), ("validation_complete", "model_validation"),
        ("stat_test_complete", "statistical_tests"), ("phase_start", "release_audit"),
        ("phase_start", "promotion_briefing"),
    ]  # fmt: skip
    positions = [place[step] for step in order]  # type: ignore[index]
    assert positions == sorted(positions)


def test_without_telemetry_nothing_is_published_or_written(fleet: tuple[str, ...], tmp_path: Path) -> None:
    """`--no-telemetry` leaves no log and no event stream."""
    bars = write_bars(tmp_path / "bars", ("TCS",))
    run = finished_run(
        tmp_path, "--source", f"csv:{bars}", "--start-date", "2024-01-01", "--end-date", "2024-03-31", "--no-telemetry",
        *fleet, "--run-id", "quiet",
    )  # fmt: skip
    assert "telemetry" not in run.summary["paths"]
    assert not (tmp_path / "data" / "analytics").exists()
    with Redis.from_url(fleet[1]) as redis:
        assert not redis.exists(events_stream("quiet"))
