"""`orchestrator explain`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from orchestrator.cli.checks import named
from orchestrator.cli.options import DataDir, Json, RunArgument, WindowArgument
from orchestrator.cli.output import plural, table_of
from orchestrator.terminal.console import Console
from schemas.config.interval import is_intraday
from schemas.contract.artifact import StudentMetadata, TeacherMetadata
from schemas.contract.identifiers import check_run_id
from schemas.contract.requests import Explanation, WindowQuestion
from schemas.contract.task import Metric

# The mark of each part of a window on the timeline.
TIMELINE = {"fit": "=", "purged": "x", "tail": "~", "scored": "#"}
TIMELINE_WIDTH = 80


def explain(
    run_id: RunArgument,
    window: WindowArgument,
    data_dir: DataDir = "data",
    rows: Annotated[bool, typer.Option("--rows", help="List every row, not only the purged ones.")] = False,
    as_json: Json = False,
) -> None:
    """Show one window: its rows, splits, models and scores.

    \b
    Example:
      orchestrator explain live_candidate_20260102_030405 \\
        TCS_2022-01-01_to_2022-06-30
    """
    from orchestrator.runs.worker_process import ask

    question = WindowQuestion(
        data_dir=str(Path(data_dir).absolute()), run_id=named("RUN_ID", check_run_id, run_id), label=window, rows=rows
    )
    found = ask("explain", question, Explanation)
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show(Console(), found)


def _show(console: Console, found: Explanation) -> None:
    window, teacher, student, certificate = found.window, found.teacher, found.student, found.certificate
    assert window is not None and teacher is not None and student is not None and certificate is not None
    console.print(Text(window.label, style="bold"), soft_wrap=True)
    first = min(part.first for part in found.parts)
    console.write(
        f"trained on days from {first} to before {window.end} (--lookback {student.settings.lookback}),"
        f" scored on days from {window.end} to before {window.score_end}"
    )
    console.write(student.settings.label_rule)
    console.print(Text(_timeline(found, min(console.width, TIMELINE_WIDTH))), soft_wrap=True)
    _show_parts(console, found, student)
    _show_rows(console, found, student)
    _show_teacher(console, found, teacher, student)
    _show_student(console, student)
    console.write(
        f"certificate: {certificate.spans_checked} spans of {certificate.models} models checked,"
        f" {plural(len(certificate.violations), 'leak')}"
    )


def _show_parts(console: Console, found: Explanation, student: StudentMetadata) -> None:
    """One row per part of the window, and how labels of three barriers ended."""
    headings = ("rows", "count", "positive", "first decision", "last decision", "last label ends")
    table = table_of(*headings, left=("rows",))
    for part in found.parts:
        mark = f"{TIMELINE[part.name]} {part.name}"
        table.add_row(mark, str(part.rows), str(part.positives), str(part.first), str(part.last), str(part.label_end))
    console.print(table)
    if student.settings.label == "triple-barrier":
        ends = ", ".join(f"{count} {name}" for name, count in sorted(found.barriers.items()))
        console.write(
            f"labels ended by: {ends}; {found.ties} reached both barriers in one bar and count as stop losses"
        )


def _show_rows(console: Console, found: Explanation, student: StudentMetadata) -> None:
    """Every row with `--rows`, else the purged ones."""
    rows = found.rows or found.purged
    if not rows:
        return
    daily = not is_intraday(student.settings.interval)
    table = table_of("decided", "label ends", "part", "label", "return", "weight", "predicted", left=("decided",))
    for row in rows:
        instants = (f"{row.decided:%m-%d %H:%M}", f"{row.label_end:%m-%d %H:%M}")
        spans = (str(row.day), str(row.last_day)) if daily else instants
        weight = "" if row.weight is None else f"{row.weight:.2f}"
        table.add_row(*spans, row.part, str(row.label), f"{row.forward_return:+.4f}", weight, f"{row.said:.3f}")
    console.print(table)
    model = "a teacher that was not trained on the row" + (", for scored rows by the student" if found.rows else "")
    console.write(f"predicted: probability of label 1, by {model}" + ("" if daily else "; instants are in UTC"))


def _show_teacher(console: Console, found: Explanation, teacher: TeacherMetadata, student: StudentMetadata) -> None:
    console.write(
        f"teacher: {plural(teacher.rounds, 'round')} over {teacher.rows['total']} rows worth"
        f" {teacher.effective_rows:.1f} independent ones, of {plural(len(teacher.bars_sha256), 'symbol')}"
    )
    console.write(", ".join(f"{name} {value}" for name, value in teacher.parameters.items()), indent="  ")
    console.write("most used: " + ", ".join(f"{name} {share:.0%}" for name, share in found.importance), indent="  ")
    if student.settings.privileged:
        privileged = ", ".join(student.settings.privileged)
        console.write(f"its privileged features, unknown when a decision is made: {privileged}", indent="  ")


def _show_student(console: Console, student: StudentMetadata) -> None:
    metrics, fidelity = student.metrics, student.fidelity
    with_teacher = (
        f"teacher's weight {metrics['teacher_weight']}, temperature {metrics['temperature']}"
        if metrics["teacher_weight"]
        else "no teacher (out of fold it did not lower the loss)"
    )
    console.write(f"student: {student.settings.student}, {with_teacher}")
    console.write(
        f"offset: base rate {student.prior:.4f}, over all labels known by {student.window.end}, drawn to that of"
        f" {plural(len(student.label_counts), 'symbol')}; share of the window's own rows {student.window_share:.4f}",
        indent="  ",
    )
    console.write(_kept(metrics), indent="  ")
    losses = {
        "base rate": fidelity.prior_log_loss,
        "window's share": metrics["scored_window_share_log_loss"],
        "student alone": fidelity.log_loss_without_teacher,
        "student": fidelity.log_loss,
        "teacher": fidelity.teacher_log_loss,
    }
    scores = table_of("log loss of scored rows", *losses, left=("log loss of scored rows",))
    scores.add_row(str(fidelity.rows), *(f"{loss:.4f}" for loss in losses.values()))
    console.print(scores)
    if fidelity.agreement is None or fidelity.rank_correlation is None:
        agreement = "student or teacher predicts the same for every row"
    else:
        agreement = (
            f"student and teacher agree on {fidelity.agreement:.0%}, rank correlation {fidelity.rank_correlation:.2f}"
        )
    console.write(
        f"{agreement}; the student's mean probability is the teacher's {fidelity.mean_difference:+.3f};"
        f" the model has {fidelity.model_bytes} bytes"
    )


def _kept(metrics: Mapping[str, Metric]) -> str:
    """How much of the student's margin beside the offset was kept, and why."""
    factor, slope, error = metrics["shrinkage"], metrics["slope"], metrics["slope_error"]
    if slope is None or error is None:
        return "shrinkage 0: too few labels of a class to judge it out of fold, so it predicts the base rate"
    flat = "" if factor else ", so it predicts the base rate"
    return f"shrinkage {factor:.3f} of its slope beside the offset, out of fold {slope:.2f} +- {error:.2f}{flat}"


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
