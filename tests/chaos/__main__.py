"""Inject every fault into a real fleet and print the table of docs/reliability.md. Run: make chaos"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.chaos.faults import FAULTS, MIX, SEED, mix
from tests.chaos.hosts import HOST_FAULTS
from tests.chaos.lab import lab
from tests.chaos.network import UNSHARE, is_permitted
from tests.chaos.trial import Row, calm_digests, row_of, try_fault

HEADINGS = ("fault", "injected", "windows re-run", "s to recover", "lost", "doubled")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", action="append", help="part of a fault's name; more than one may be given")
    parser.add_argument("--mix-seconds", type=float, default=90.0)
    options = parser.parse_args()
    wanted = options.only or [""]
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        is_wanted = any(part in name for part in wanted for name in [*FAULTS, MIX])
        calm = calm_digests(Path(folder) / "calm") if is_wanted else {}
        rows = []
        for number, fault in enumerate(FAULTS.values()):
            if any(part in fault.name for part in wanted):
                rows.append(try_fault(Path(folder) / str(number), fault, calm))
                print(rows[-1], file=sys.stderr, flush=True)
        if any(part in MIX for part in wanted):
            rows.append(_mixed(Path(folder) / "mix", calm, options.mix_seconds))
        rows += _of_hosts(Path(folder) / "hosts", wanted)
    print(_table(rows))


def _of_hosts(folder: Path, wanted: Iterable[str]) -> Iterable[Row]:
    """The faults of three hosts, tried in a process that may make their networks; none where that is not permitted."""
    if not any(part in fault.name for part in wanted for fault in HOST_FAULTS):
        return
    if not is_permitted():
        print("hosts: namespaces are not permitted here, so these rows are left out", file=sys.stderr)
        return
    words = [*UNSHARE, sys.executable, "-m", "tests.chaos.hosts", str(folder)]
    words += [word for part in wanted for word in ("--only", part)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield (row := Row(**json.loads(line)))
            print(row, file=sys.stderr, flush=True)
    assert process.returncode == 0, "a fault of hosts broke the invariant"


def _mixed(folder: Path, calm: dict[str, str], seconds: float) -> Row:
    """Runs, one after another, under random faults; the invariant after each."""
    dice = random.Random(SEED)
    until = time.monotonic() + seconds
    parts: list[Row] = []
    with lab(folder) as opened:
        while time.monotonic() < until:
            opened.injected.clear()
            run = opened.run()
            mix(opened, run, dice, until)
            parts.append(row_of(MIX, run, calm, within_s=180.0))
            print(parts[-1], file=sys.stderr, flush=True)
        opened.stop_fleet()
    return Row(
        MIX,
        sum(part.times for part in parts),
        sum(part.rerun for part in parts),
        None,
        sum(part.lost for part in parts),
        sum(part.doubled for part in parts),
    )


def _table(rows: Iterable[Row]) -> str:
    lines = [f"| {' | '.join(HEADINGS)} |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    for row in rows:
        recover = "" if row.recover_s is None else f"{row.recover_s:.1f}"
        lines.append(f"| {row.fault} | {row.times} | {row.rerun} | {recover} | {row.lost} | {row.doubled} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
