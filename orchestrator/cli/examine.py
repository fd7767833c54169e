"""`orchestrator explain`, `replay` and `verify`: look into a stored run, window by window or as a whole."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.options import fail
from orchestrator.terminal.console import Console
from schemas.contract.errors import GurukulError
from schemas.contract.requests import Explanation, WindowQuestion
from schemas.contract.requests import Replay as Replayed

RunArgument = Annotated[str, typer.Argument(help="The run.")]
WindowArgument = Annotated[str, typer.Argument(help="A window's label, as in TCS_2022-01-01_to_2022-06-30.")]
DataDir = Annotated[str, typer.Option(help="Folder of bars, models and telemetry.", envvar="GURUKUL_DATA_DIR")]
ReleaseDir = Annotated[
    str, typer.Option(help="Folder of audit bundles; none: the run's own.", envvar="GURUKUL_RELEASE_DIR")
]
PublicKey = Annotated[
    str | None, typer.Option(help="PEM file of the key that you trust to have signed.", envvar="GURUKUL_PUBLIC_KEY")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

DIFFERS = 3
TIMELINE = {"fit": "=", "purged": "x", "tail": "~", "scored": "#"}
DIGEST = 12


def explain(
    run_id: RunArgument,
    window: WindowArgument,
    data_dir: DataDir = "data",
    rows: Annotated[bool, typer.Option("--rows", help="List every row, not the purged ones alone.")] = False,
    as_json: Json = False,
) -> None:
    """Show one window: its rows and their spans, split, what was fitted, and how it scored.

    \b
    Example:
      orchestrator explain live_candidate_20260102_030405 \\
        TCS_2022-01-01_to_2022-06-30
    """
    from orchestrator.runs.worker_process import ask

    try:
        question = WindowQuestion(data_dir=_absolute(data_dir), run_id=run_id, label=window, rows=rows)
        found = ask("explain", question, Explanation)
    except (GurukulError, ValueError) as error:
        raise fail(_plain(error)) from None
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show_window(Console(), found)


def replay(run_id: RunArgument, window: WindowArgument, data_dir: DataDir = "data", as_json: Json = False) -> None:
    """Train one window again from the run's manifest and compare every file. Exit code 3 if one differs.

    \b
    Example:
      orchestrator replay live_candidate_20260102_030405 \\
        TCS_2022-01-01_to_2022-06-30
    """
    from orchestrator.runs.worker_process import ask

    console = Console(stderr=as_json)
    try:
        question = WindowQuestion(data_dir=_absolute(data_dir), run_id=run_id, label=window)
        with console.status("training again"):
            found = ask("replay", question, Replayed)
    except (GurukulError, ValueError) as error:
        raise fail(_plain(error)) from None
    agreed = agrees(found)
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show_replay(console, found, agreed)
    raise typer.Exit(0 if agreed else DIFFERS)


def verify(
    run_id: RunArgument,
    data_dir: DataDir = "data",
    release_dir: ReleaseDir = "",
    public_key: PublicKey = None,
    as_json: Json = False,
) -> None:
    """Hash every file of a run and of its audit bundle again, prove its certificates again, check the signature.

    Needs no network. Exit code 3 if anything is not as recorded.

    \b
    Example:
      orchestrator verify live_candidate_20260102_030405 \\
        --public-key release.pub
    """
    from orchestrator.audit.verify import verified

    console = Console(stderr=as_json)
    try:
        with console.status("hashing"):
            found = verified(data_dir, release_dir or None, run_id, public_key)
    except (GurukulError, ValueError) as error:
        raise fail(_plain(error)) from None
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        for fault in found.broken:
            console.write(f"broken: {fault}")
        for note in found.notes:
            console.write(f"note: {note}")
        console.write(
            f"{found.windows} windows, {found.files} files hashed, {found.certificates} certificates proved again"
            f" over {found.spans} spans: {f'{len(found.broken)} broken' if found.broken else 'all as recorded'}"
        )
        console.write(f"audit bundle: {found.bundle}")
    raise typer.Exit(DIFFERS if found.broken else 0)


def agrees(found: Replayed) -> bool:
    """Whether what was trained again is what is stored: to the bit, or on a GPU within the tolerance."""
    if all(file.equal for file in found.files):
        return True
    if found.tolerance is None or not found.differences:
        return False
    return max(found.differences.values()) <= found.tolerance


def _show_window(console: Console, found: Explanation) -> None:
    window, teacher, student, certificate = found.window, found.teacher, found.student, found.certificate
    assert window is not None and teacher is not None and student is not None and certificate is not None
    settings = student.settings
    console.print(Text(window.label, style="bold"), soft_wrap=True)
    console.write(f"learns from days {window.start} to {window.end}, is scored from there to {window.score_end}")
    console.write(settings.label_rule)
    console.print(Text(_timeline(found, min(console.width, 80))), soft_wrap=True)
    table = _table("rows", "count", "positive", "first decision", "last decision", "last label ends")
    for part in found.parts:
        mark = f"{TIMELINE[part.name]} {part.name}"
        table.add_row(mark, str(part.rows), str(part.positives), str(part.first), str(part.last), str(part.label_end))
    console.print(table)
    if settings.label == "triple-barrier":
        ends = ", ".join(f"{count} {name}" for name, count in sorted(found.barriers.items()))
        console.write(f"labels ended by: {ends}; {found.ties} met both barriers in one bar and count as stopped")
    rows = found.rows or found.purged
    if rows:
        daily = settings.interval == "1day"
        listed = _table("decided", "label ends", "part", "label", "return", "weight", "said")
        for row in rows:
            instants = (f"{row.decided:%m-%d %H:%M}", f"{row.label_end:%m-%d %H:%M}")
            spans = (str(row.day), str(row.last_day)) if daily else instants
            weight = "" if row.weight is None else f"{row.weight:.2f}"
            listed.add_row(*spans, row.part, str(row.label), f"{row.forward_return:+.4f}", weight, f"{row.said:.3f}")
        console.print(listed)
        what = "a teacher that never saw the row" + (", of a scored one the student" if found.rows else "")
        console.write(f"said: probability of 1, by {what}" + ("" if daily else "; instants are in UTC"))
    console.write(
        f"teacher: {teacher.rounds} round{'' if teacher.rounds == 1 else 's'} over {teacher.rows['total']} rows worth"
        f" {teacher.effective_rows:.1f}"
        f" independent ones, of {len(teacher.bars_sha256)} symbol{'s' if len(teacher.bars_sha256) > 1 else ''}"
    )
    console.write(", ".join(f"{name} {value}" for name, value in teacher.parameters.items()), indent="  ")
    console.write("most used: " + ", ".join(f"{name} {share:.0%}" for name, share in found.importance), indent="  ")
    if settings.privileged:
        console.write(f"it saw what no decision can: {', '.join(settings.privileged)}", indent="  ")
    metrics = student.metrics
    with_teacher = (
        f"teacher's weight {metrics['teacher_weight']}, temperature {metrics['temperature']}"
        if metrics["teacher_weight"]
        else "no teacher (out of fold it was no help)"
    )
    slope = metrics["calibration_slope"]
    console.write(f"student: {settings.student}, {with_teacher}, calibration slope {slope:.3f}")
    if not slope:
        console.write("it says the base rate: out of fold, a higher margin did not mean more positives", indent="  ")
    scores = _table("log loss of scored rows", "base rate", "student alone", "student", "teacher")
    fidelity = student.fidelity
    scores.add_row(
        str(fidelity.rows),
        *(
            f"{loss:.4f}"
            for loss in (
                fidelity.prior_log_loss,
                fidelity.log_loss_without_teacher,
                fidelity.log_loss,
                fidelity.teacher_log_loss,
            )
        ),
    )
    console.print(scores)
    if fidelity.agreement is None or fidelity.rank_correlation is None:
        alike = "one of student and teacher says the same of every row"
    else:
        alike = (
            f"student and teacher agree on {fidelity.agreement:.0%}, rank correlation {fidelity.rank_correlation:.2f}"
        )
    console.write(
        f"{alike}; the student's mean probability is {fidelity.mean_difference:+.3f} off the teacher's;"
        f" the model has {fidelity.model_bytes} bytes"
    )
    console.write(
        f"certificate: {certificate.spans_checked} spans of {certificate.models} models checked,"
        f" {len(certificate.violations) or 'no'} leak{'s' if len(certificate.violations) != 1 else ''}"
    )


def _timeline(found: Explanation, width: int) -> str:
    """The window's days as one line, each part under its own mark."""
    assert found.window is not None
    first, last = min(part.first for part in found.parts), max(part.label_end for part in found.parts)
    days = (last - first).days + 1
    line = [" "] * width
    for part in found.parts:
        start, stop = ((day - first).days * width // days for day in (part.first, part.last))
        line[start : stop + 1] = TIMELINE[part.name] * (stop + 1 - start)
    return "".join(line).rstrip()


def _show_replay(console: Console, found: Replayed, agreed: bool) -> None:
    table = _table("file", "stored", "again", "")
    for file in found.files:
        stored, again = (digest[:DIGEST] if digest else "none" for digest in (file.stored, file.again))
        table.add_row("/".join(file.path.split("/")[-2:]), stored, again, "equal" if file.equal else "differs")
    console.print(table)
    for name, (then, now) in found.then_now.items():
        console.write(f"{name} was {then}, is {now}")
    equal = sum(file.equal for file in found.files)
    console.write(f"trained again on {found.device}: {equal} of {len(found.files)} files are equal to the bit")
    if equal < len(found.files) and found.differences:
        largest = ", ".join(f"{name} {value:.2g}" for name, value in found.differences.items())
        allowed = "none is allowed" if found.tolerance is None else f"{found.tolerance:g} is allowed on a GPU"
        console.write(f"largest difference of a probability: {largest}; {allowed}")
    if not agreed:
        console.write("this window is not what its manifest gives; what changed is named above, or somebody changed it")


def _table(*headings: str) -> Table:
    table = Table()
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right", overflow="fold")
    return table


def _absolute(data_dir: str) -> str:
    return str(Path(data_dir).absolute())


def _plain(error: Exception) -> GurukulError:
    """A schema's complaint about what was typed, as one sentence."""
    if isinstance(error, GurukulError):
        return error
    return GurukulError(str(error).splitlines()[2].strip() if len(str(error).splitlines()) > 2 else str(error))
