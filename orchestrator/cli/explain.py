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
from schemas.config.target import CLASS, LOSSES, Loss
from schemas.contract.artifact import StudentMetadata, TeacherMetadata
from schemas.contract.identifiers import check_run_id
from schemas.contract.numbers import shown
from schemas.contract.requests import Explanation, WindowQuestion
from schemas.contract.task import Metric
from schemas.contract.window import PANEL

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
    _show_student(console, student, window.symbol)
    console.write(
        f"certificate: {certificate.spans_checked} spans of {certificate.models} models checked,"
        f" {plural(len(certificate.violations), 'leak')}"
    )


def _show_parts(console: Console, found: Explanation, student: StudentMetadata) -> None:
    """One row per part of the window, and how labels of three barriers ended."""
    positive = ("positive",) if student.settings.target == CLASS else ()
    headings = ("rows", "count", *positive, "first decision", "last decision", "last label ends")
    table = table_of(*headings, left=("rows",))
    for part in found.parts:
        mark = f"{TIMELINE[part.name]} {part.name}"
        positives = [] if part.positives is None else [str(part.positives)]
        table.add_row(mark, str(part.rows), *positives, str(part.first), str(part.last), str(part.label_end))
    console.table(table)
    if student.settings.label == "triple-barrier":
        ends = ", ".join(f"{count} {name}" for name, count in sorted(found.barriers.items()))
        console.write(
            f"labels ended by: {ends}; {found.ties} reached both barriers in one bar and count as stop losses"
        )


def _show_rows(console: Console, found: Explanation, student: StudentMetadata) -> None:
    """Every row with `--rows`, else the purged ones of a single symbol."""
    daily, of_class = not is_intraday(student.settings.interval), student.settings.target == CLASS
    assert found.window is not None
    panel = found.window.symbol == PANEL
    rows = found.rows or (() if panel else found.purged)
    if not rows:
        return
    headings = ("decided", "label ends", "part", "label", "return", "weight", "p")
    table = table_of(*(("symbol",) if panel else ()), *headings, left=("symbol", "decided"))
    for row in rows:
        instants = (f"{row.decided:%m-%d %H:%M}", f"{row.label_end:%m-%d %H:%M}")
        spans = (str(row.day), str(row.last_day)) if daily else instants
        weight = "" if row.weight is None else f"{row.weight:.2f}"
        table.add_row(
            *([row.symbol] if panel else []),
            *spans,
            row.part,
            str(row.label) if of_class else shown(row.label, "+"),
            f"{row.forward_return:+.4f}",
            weight,
            f"{row.prediction:.3f}" if of_class else shown(row.prediction, "+"),
        )
    console.table(table)
    model = "a teacher that was not trained on the row" + (", for scored rows by the student" if found.rows else "")
    what = "probability of label 1" if of_class else "predicted value"
    console.write(f"p: {what}, by {model}" + ("" if daily else "; instants are in UTC"))


def _show_teacher(console: Console, found: Explanation, teacher: TeacherMetadata, student: StudentMetadata) -> None:
    console.write(
        f"teacher: {teacher.settings.teacher}, {plural(teacher.rounds, 'round')} over {teacher.rows['total']} rows"
        f" worth {teacher.effective_rows:.1f} independent ones, of {plural(len(teacher.offsets), 'symbol')}"
    )
    console.write(", ".join(f"{name} {value}" for name, value in teacher.parameters.items()), indent="  ")
    if found.importance:
        console.write("most used: " + ", ".join(f"{name} {share:.0%}" for name, share in found.importance), indent="  ")
    if student.settings.privileged:
        privileged = ", ".join(student.settings.privileged)
        console.write(f"its privileged features, unknown when a decision is made: {privileged}", indent="  ")


def _show_student(console: Console, student: StudentMetadata, symbol: str) -> None:
    metrics, fidelity, loss = student.metrics, student.fidelity, LOSSES[student.settings.target]
    of_class, found = student.settings.target == CLASS, student.fidelity.losses
    known = [count for count in student.label_counts.values() if count.total > 0]
    learned = f", of {plural(len(student.priors), 'symbol')} together" if student.window.symbol == PANEL else ""
    own = [each.removeprefix("student.") for each in student.settings.set if each.startswith("student.")]
    console.write(", ".join([f"student: {student.settings.student}{learned}", *own]))
    console.write(
        f"offset: {loss.baseline} {_of(student.priors, symbol, of_class)}, over all labels known by"
        f" {student.window.end}, drawn to that of {plural(len(known), 'symbol')};"
        f" {'share' if of_class else 'mean'} of the window's own rows"
        f" {_of(student.window_shares, symbol, of_class)}",
        indent="  ",
    )
    console.write(f"its own part: {_kept(metrics, '')}", indent="  ")
    console.write(f"its teacher: {_taught(student)}", indent="  ")
    losses = {
        loss.baseline: found.prior,
        "window's share" if of_class else "window's mean": metrics[f"scored_window_share_{loss.key}"],
        "student alone": found.alone,
        "student": found.student,
        "teacher": found.teacher,
    }
    heading = f"{loss.words} of scored rows"
    scores = table_of(heading, *losses, left=(heading,))
    scores.add_row(str(fidelity.rows), *(f"{each:.4f}" if of_class else f"{each:.4g}" for each in losses.values()))
    console.table(scores)
    if fidelity.agreement is None or fidelity.rank_correlation is None:
        agreement = "student or teacher predicts the same for every row"
    else:
        agreement = (
            f"student and teacher agree on {fidelity.agreement:.0%}, rank correlation {fidelity.rank_correlation:.2f}"
        )
    difference = fidelity.mean_difference
    beside = "below" if difference < 0 else "above"
    console.write(
        f"{_changed(found.alone - found.student, loss)}; {agreement};"
        f" the student's mean {loss.prediction} is {abs(difference):.3{'f' if of_class else 'g'}} {beside} the"
        " teacher's;"
        f" the model has {fidelity.model_bytes} bytes"
    )


def _of(values: Mapping[str, float], symbol: str, of_class: bool) -> str:
    """The share or value of a symbol, or the range of all symbols."""
    chosen = [values[symbol]] if symbol in values else [min(values.values()), max(values.values())]
    texts = dict.fromkeys(f"{each:.4f}" if of_class else shown(each, "+") for each in chosen)
    return " to ".join(texts)


def _changed(saved: float, loss: Loss) -> str:
    """What the teacher changed of the scored rows' loss."""
    if saved == 0:
        return "the teacher changed nothing"
    verb = "saved" if saved > 0 else "cost"
    if loss.key == LOSSES[CLASS].key:
        return f"the teacher {verb} {1e3 * abs(saved):.2f} thousandths of a nat per scored row"
    return f"the teacher {verb} {abs(saved):.3g} of {loss.words} per scored row"


def _taught(student: StudentMetadata) -> str:
    """What the teacher changed."""
    if not student.settings.privileged:
        return _kept(student.metrics, "teacher_")
    if not student.metrics["teacher_weight"]:
        return "not used, because out of fold its predictions in the labels did not lower the loss"
    return f"its predictions have weight {student.metrics['teacher_weight']} in the labels"


def _kept(metrics: Mapping[str, Metric], model: str) -> str:
    """How much of a model's margin beside the offset was kept, and why."""
    kept, slope, error = (metrics[f"{model}{name}"] for name in ("shrinkage", "slope", "slope_error"))
    if slope is None or error is None:
        return "shrinkage 0, because too few labels of a class could judge it out of fold: it adds nothing"
    effect = ": it adds nothing" if not kept else "" if float(slope) > float(error) else ": too unsure to trade on"
    factor = float(kept) * float(slope) if kept else 0.0
    return f"factor {factor:.3f}, shrinkage {kept:.3f} of its slope, out of fold {slope:.2f} +- {error:.2f}{effect}"


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
