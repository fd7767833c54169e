"""Injects one fault into one run, and measures its cost."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.faults import Fault, may_mount, small_disk
from tests.chaos.invariant import check, digests, leftovers
from tests.chaos.lab import Run, lab


@dataclass(frozen=True)
class Row:
    """A line of the table. `recover_s`: from the last injection until all affected work was sent again, or else to
    the next outcome."""

    fault: str
    times: int
    rerun: int
    recover_s: float | None
    lost: int
    doubled: int


def calm_digests(folder: Path) -> dict[str, str]:
    """Digests of an undisturbed run."""
    with lab(folder) as opened:
        run = opened.run()
        assert run.finish() == 0, run.printed
        found = digests(run)
        check(run, found)
        opened.stop_fleet()
    return found


def try_fault(folder: Path, fault: Fault, calm: dict[str, str]) -> Row:
    """A fresh fleet and run, the fault, the invariant, and nothing left once the fleet has stopped."""
    with lab(folder, fault.spoil, kind=fault.kind) as opened:
        cwd = opened.folder / "run"
        disk = cwd / "data" if "disk" in fault.name and may_mount() else None
        if disk:
            small_disk(disk)
        try:
            run = opened.run(*fault.arguments, cwd=cwd)
            fault.inject(opened, run)
            row = row_of(fault.name, run, calm, fault.spoil, fault.within_s)
        finally:
            if disk:
                subprocess.run(["umount", "-l", str(disk)], check=True)
        opened.stop_fleet()
        assert not leftovers(opened.temporary), leftovers(opened.temporary)
    return row


def row_of(name: str, run: Run, calm: dict[str, str], spoil: str | None = None, within_s: float = 120.0) -> Row:
    """Wait for the run's end, check the invariant, and compute the row."""
    assert run.finish(within_s) == 0, run.printed
    account = check(run, calm, spoil.split(":", 1)[1] if spoil else None)
    injected = run.lab.injected
    recover_s = run.recovered(injected[-1]) if injected else None
    return Row(name, len(injected), account.rerun, recover_s, account.lost, account.doubled)
