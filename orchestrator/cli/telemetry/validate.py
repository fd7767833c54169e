"""`orchestrator telemetry validate`."""

from collections import Counter
from pathlib import Path

import typer

from orchestrator.cli.options import LogFileArgument
from orchestrator.cli.output import plural, table_of
from orchestrator.events.event_log import parse_event, unreadable
from orchestrator.terminal.console import Console
from schemas.contract.errors import ExitCode, GurukulError
from schemas.contract.event import EventType

SHOWN_FAULTS = 20


def validate(file: LogFileArgument) -> None:
    """Check that an event log is whole.

    Every line must be an event of one run, and their numbers must have no gap. Exit code 2 if not.

    \b
    Example:
      orchestrator telemetry validate \\
        data/analytics/training/training_run_R.jsonl
    """
    try:
        lines = file.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise unreadable(file, error) from None
    console = Console()
    kinds, faults = _examine(file, lines)
    if kinds:
        table = table_of("event", "count", left=("event",))
        for kind in EventType:
            if kinds[kind]:
                table.add_row(kind, str(kinds[kind]))
        console.table(table)
    for fault in faults[:SHOWN_FAULTS]:
        console.write(fault)
    if len(faults) > SHOWN_FAULTS:
        console.write(f"and {len(faults) - SHOWN_FAULTS} more")
    console.write(f"{len(lines)} lines, {plural(len(faults), 'fault')}")
    if kinds and not kinds[EventType.RUN_END]:
        console.write("no run_end: the run goes on, or the end of its log is missing")
    if faults or not lines:
        raise typer.Exit(ExitCode.REFUSED)


def _examine(file: Path, lines: list[bytes]) -> tuple[Counter[EventType], list[str]]:
    """How often each type occurs, and a sentence for each fault."""
    kinds: Counter[EventType] = Counter()
    faults: list[str] = [] if lines else [f"{file} is empty"]
    run_id, last = None, 0
    for number, line in enumerate(lines, 1):
        where = f"line {number}"
        if not line.endswith(b"\n"):
            faults.append(f"{where}: cut off")
            continue
        try:
            event = parse_event(line, where)
        except GurukulError as error:
            faults.append(str(error))
            continue
        kinds[event.event_type] += 1
        run_id = run_id or event.run_id
        if event.run_id != run_id:
            faults.append(f"{where}: of run {event.run_id}, the first is of {run_id}")
        if event.seq != last + 1:
            faults.append(f"{where}: seq {event.seq} follows {last}")
        last = event.seq or last
    return kinds, faults
