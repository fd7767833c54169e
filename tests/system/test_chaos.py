"""The two-minute selection of `make chaos`: real server, workers, signals; the invariant after each fault."""

from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.trial import calm_digests, try_fault

SELECTION = (
    "SIGKILL of a worker that trains",
    "SIGSTOP past expiry, SIGCONT",
    "server flushed",
    "window that exits its process",
)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of what an undisturbed run leaves."""
    return calm_digests(tmp_path_factory.mktemp("calm") / "lab")


@pytest.mark.parametrize("name", SELECTION)
def test_no_window_is_lost_or_doubled(name: str, calm: dict[str, str], tmp_path: Path) -> None:
    """One outcome a window and role, the calm run's bytes, nothing left over."""
    row = try_fault(tmp_path / "lab", FAULTS[name], calm)
    assert (row.lost, row.doubled) == (0, 0)
    assert row.rerun > 0, "the fault hit nothing"
