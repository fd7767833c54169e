"""`orchestrator replay`."""

from pathlib import Path

import typer

from orchestrator.cli.checks import named
from orchestrator.cli.options import DataDir, Json, RunArgument, WindowArgument
from orchestrator.cli.output import table_of
from orchestrator.terminal.console import Console
from schemas.config.target import CLASS, LOSSES
from schemas.contract.errors import ExitCode
from schemas.contract.identifiers import check_run_id
from schemas.contract.requests import Replay, WindowQuestion

SHOWN_DIGITS = 12


def replay(run_id: RunArgument, window: WindowArgument, data_dir: DataDir = "data", as_json: Json = False) -> None:
    """Train one window again and compare it with the stored one.

    Settings, seed and bars are those of the run's manifest. Every file is compared; exit code 3 if one differs.

    \b
    Example:
      orchestrator replay live_candidate_20260102_030405 \\
        TCS_2022-01-01_to_2022-06-30
    """
    from orchestrator.runs.worker_process import ask

    console = Console(stderr=as_json)
    question = WindowQuestion(
        data_dir=str(Path(data_dir).absolute()), run_id=named("RUN_ID", check_run_id, run_id), label=window
    )
    with console.status("training again"):
        found = ask("replay", question, Replay)
    agreed = agrees(found)
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show(console, found, agreed)
    raise typer.Exit(ExitCode.DONE if agreed else ExitCode.FAILED)


def agrees(found: Replay) -> bool:
    """Whether the window trained again equals the stored one: to the bit, or on a GPU within the tolerance."""
    if all(file.equal for file in found.files):
        return True
    if found.tolerance is None or not found.differences:
        return False
    return max(found.differences.values()) <= found.tolerance


def _show(console: Console, found: Replay, agreed: bool) -> None:
    table = table_of("file", "stored", "again", "result", left=("file", "result"))
    for file in found.files:
        stored, again = (digest[:SHOWN_DIGITS] if digest else "none" for digest in (file.stored, file.again))
        table.add_row("/".join(file.path.split("/")[-2:]), stored, again, "equal" if file.equal else "differs")
    console.table(table)
    for name, (then, now) in found.then_now.items():
        console.write(f"{name} was {then}, is {now}")
    equal = sum(file.equal for file in found.files)
    console.write(f"trained again on {found.device}: {equal} of {len(found.files)} files are equal to the bit")
    if equal < len(found.files) and found.differences:
        largest = ", ".join(f"{name} {value:.2g}" for name, value in found.differences.items())
        allowed = "none is allowed" if found.tolerance is None else f"{found.tolerance:g} is allowed on a GPU"
        unit = "" if found.target == CLASS else ", in deviations of the labels"
        console.write(f"largest difference of a {LOSSES[found.target].prediction}{unit}: {largest}; {allowed}")
    if not agreed:
        console.write(
            "the stored window differs from the one trained again: a version listed above changed, or a file was edited"
        )
