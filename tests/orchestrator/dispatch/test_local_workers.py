"""The run's own workers."""

from pathlib import Path

from orchestrator.dispatch.local_workers import local_workers
from schemas.contract.errors import PhaseError
from schemas.contract.folders import Folders
from schemas.redis.signing import NO_KEY
from tests.waiting import wait_for


def test_the_error_of_workers_that_end_by_themselves_is_the_run_s(tmp_path: Path, server: str) -> None:
    """The message holds what `workers start` printed last, not only the place of a log."""
    messages: list[str] = []
    with local_workers("gpu:7", Folders(data_dir=str(tmp_path)), server, tmp_path / "log", "text", NO_KEY) as workers:

        def ended() -> bool:
            try:
                workers.tend()
            except PhaseError as error:
                messages.append(str(error))
            return bool(messages)

        wait_for(ended, "the end of the workers")
    assert "gpu" in messages[0] and "ended with exit code 2" in messages[0] and str(tmp_path / "log") in messages[0]
