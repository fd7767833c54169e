"""A selection of `make chaos`: real server, workers and signals; the invariant after the faults.

One fleet takes several faults in one run here. `make chaos` injects every fault into a fleet and a run of its own.
"""

from collections.abc import Iterator

import pytest

from tests.chaos.faults import FAULTS, one_after_another
from tests.chaos.invariant import check, digests, leftovers
from tests.chaos.lab import Lab, lab
from tests.chaos.trial import row_of

# 16 windows instead of 64; among them is the one that a fault spoils.
FEWER = ("--step-days", "112")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A server and two workers."""
    with lab(tmp_path_factory.mktemp("chaos") / "lab", devices=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def calm(shared: Lab) -> dict[str, str]:
    """Digests of an undisturbed run."""
    run = shared.run(*FEWER)
    assert run.finish() == 0, run.printed
    found = digests(run)
    check(run, found)
    return found


def test_no_window_is_lost_or_doubled(shared: Lab, calm: dict[str, str]) -> None:
    """A worker killed, a server flushed, a worker frozen past expiry: one outcome per window, the calm run's bytes."""
    run = shared.run(*FEWER)
    one_after_another(shared, run)
    row = row_of("one after another", run, calm, within_s=180.0)
    assert (row.times, row.lost, row.doubled) == (3, 0, 0)
    assert row.rerun > 0, "the faults hit nothing"


def test_a_window_that_ends_its_process_fails_alone(shared: Lab, calm: dict[str, str]) -> None:
    """Tried three times, it fails; every other window is the calm run's; the stopped fleet leaves nothing."""
    fault = FAULTS["window that exits its process"]
    assert fault.spoil
    shared.spoil(fault.spoil)
    row = row_of(fault.name, shared.run(*FEWER), calm, fault.spoil)
    assert (row.lost, row.doubled) == (0, 0)
    assert row.rerun > 0, "the fault hit nothing"
    shared.stop_fleet()
    assert not leftovers(shared.temporary)
