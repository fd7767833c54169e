"""Summarises how a run ended: an object for `--json`, a table for the terminal."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from orchestrator.audit.wording import jumps_of, untrained_sentences
from orchestrator.bars.coverage import verdicts_of
from orchestrator.bars.sentences import calendar_doubts
from orchestrator.ledger.export import planned_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.terminal.console import Console
from schemas.contract.artifact import RunManifest
from schemas.contract.command_line import command_line
from schemas.contract.conclusion import Conclusion
from schemas.contract.reason_words import tally, words_for
from schemas.contract.task import WINDOW_ROLES, FailureClass, Role, Status
from schemas.files.layout import RunLayout, audit_folder, log_path, telemetry_path

STYLES = {"promote": "green", "hold": "yellow", "reject": "red"}
INDENT = "  "
# Notes in the last screen of a run.
SHOWN_NOTES = 3


def summarise(manifest: RunManifest, ledger: Ledger, layout: RunLayout) -> dict[str, Any]:
    """Return the object that `--json` prints. It is read from the ledger, so it is correct however the run ended."""
    config = manifest.config
    counts = {role: ledger.counts(role) for role in WINDOW_ROLES}
    conclusion, condition = ledger.get("conclusion"), ledger.condition()
    audit = audit_folder(config.release_dir, manifest.run_id)
    paths = {
        "run": layout.folder,
        "audit": audit,
        "report": audit / "report.html",
        "log": log_path(config, manifest.run_id),
    }
    if config.telemetry:
        paths["telemetry"] = telemetry_path(config, manifest.run_id)
    return {
        "run_id": manifest.run_id,
        "status": condition.status,
        "reason": condition.reason,
        "can_resume": condition.can_resume,
        "recommendation": ledger.get("recommendation"),
        "conclusion": json.loads(conclusion) if conclusion else None,
        "phases": {
            phase.name.value: {
                # A killed process left its phase open.
                "status": phase.status if phase.ended is not None or condition.status.is_active else condition.status,
                "duration_seconds": round_seconds(phase.duration_seconds),
            }
            for phase in ledger.phases()
        },
        "bars": verdicts_of(manifest.bars) if manifest.bars is not None else None,
        "unexplained_jumps": jumps_of(manifest.bars, config.keep_jumps) if manifest.bars is not None else None,
        "calendar_doubts": calendar_doubts(manifest.bars) if manifest.bars is not None else [],
        "windows": {
            role.value: {"planned": len(planned_of(manifest, role))}
            | {status.value: counts[role].get(status, 0) for status in Status}
            | {"reused": ledger.reused(role)}
            for role in counts
        },
        "judgement_from": _donor(ledger),
        "skip_reasons": dict(sorted(Counter(ledger.skips(Role.STUDENT).values()).items())),
        "paths": {name: str(path) for name, path in paths.items() if path.exists()},
        "duration_seconds": float(seconds) if (seconds := ledger.get("duration_seconds")) else None,
    }


def _donor(ledger: Ledger) -> str | None:
    """The run whose judgement was adopted; None if a gate was judged anew."""
    donors = {record.reused_from for record in ledger.records(Role.STATISTICS)}
    return donors.pop() if len(donors) == 1 else None


def round_seconds(seconds: float | None) -> float | None:
    """Seconds rounded to milliseconds; None stays None."""
    return None if seconds is None else round(seconds, 3)


def failed_windows(ledger: Ledger) -> dict[FailureClass | None, list[str]]:
    """Failures by class: one sentence for all teachers, or all students, that failed for the same reason."""
    names: defaultdict[tuple[FailureClass | None, Role, str], list[str]] = defaultdict(list)
    untaught: set[str] = set()
    for role in WINDOW_ROLES:
        for record in ledger.records(role, ended=True):
            if record.status is Status.FAILED:
                message = "its teacher failed" if record.name in untaught else record.message
                names[record.failure, role, message].append(record.name)
        untaught = {name for (_, role, _), failed in names.items() if role is Role.TEACHER for name in failed}
    found: dict[FailureClass | None, list[str]] = {}
    for (failure, role, message), windows in names.items():
        who = f"{role} {windows[0]}" if len(windows) == 1 else f"{len(windows)} {role}s, the first {windows[0]}"
        found.setdefault(failure, []).append(f"{who} ({words_for(failure)}): {message}")
    return found


def show_end(console: Console, summary: dict[str, Any], notes: Sequence[str], data_dir: str) -> None:
    """Print how a run ended in half a screen: counts, the worst notes, the command that shows all, the verdict."""
    _show_heading(console, summary)
    counts = summary["windows"][Role.STUDENT]
    if counts["planned"]:
        skips = f": {tally(summary['skip_reasons'])}" if summary["skip_reasons"] else ""
        console.write(
            f"students: {counts['success']} of {counts['planned']} trained, {counts['failed']} failed,"
            f" {counts['skipped']} skipped{skips}"
        )
    for note in notes[:SHOWN_NOTES]:
        console.write(note)
    more = f"{len(notes) - SHOWN_NOTES} more notes and all else" if len(notes) > SHOWN_NOTES else "all else"
    if not summary["conclusion"] and "log" in summary["paths"]:
        console.print(Text(f"log: {summary['paths']['log']}"), soft_wrap=True)
    console.write(f"{more}: `{command_line('status', summary['run_id'], data_dir=data_dir)}`")
    _show_verdict(console, summary)


def show(console: Console, summary: dict[str, Any], notes: Sequence[str]) -> None:
    """Print all that is known of a run: phases, windows, notes, figures and files. The verdict comes last."""
    _show_heading(console, summary)
    table = Table()
    table.add_column("phase")
    table.add_column("status")
    table.add_column("seconds", justify="right")
    for name, phase in summary["phases"].items():
        seconds = phase["duration_seconds"]
        table.add_row(name, phase["status"], "" if seconds is None else f"{seconds:.1f}")
    console.table(table)
    windows = Table()
    for heading in ("windows", "planned", "success", "skipped", "failed"):
        windows.add_column(heading, justify="left" if heading == "windows" else "right")
    for role, counts in summary["windows"].items():
        windows.add_row(role, *(str(counts[key]) for key in ("planned", "success", "skipped", "failed")))
    console.table(windows)
    if summary["bars"]:
        console.write(f"bars of symbols: {', '.join(f'{count} {word}' for word, count in summary['bars'].items())}")
    reused = {role: counts["reused"] for role, counts in summary["windows"].items()}
    if any(reused.values()):
        console.write("reused: " + ", ".join(f"{count} {role}s" for role, count in reused.items()))
    if summary["judgement_from"]:
        same = "predictions, bars, settings, trials and code"
        console.write(f"judgement: adopted from {summary['judgement_from']}, which has the same {same}")
    if summary["skip_reasons"]:
        console.write(f"skipped: {tally(summary['skip_reasons'])}")
    for note in notes:
        console.write(note)
    if summary["conclusion"]:
        _show_figures(console, Conclusion.model_validate(summary["conclusion"]))
    for name, path in summary["paths"].items():
        if name != "report" or not summary["conclusion"]:
            console.print(Text(f"{name}: {path}"), soft_wrap=True)
    _show_verdict(console, summary)


def notes_of(summary: dict[str, Any], untrained: dict[str, Counter[str]], failed: Iterable[str]) -> list[str]:
    """What a person should know beside the counts, the worst first."""
    jumps = summary["unexplained_jumps"] if not summary["conclusion"] else None  # else the verdict has them
    return [
        *(f"failed: {sentence}" for sentence in failed),
        *([f"bars: {jumps}"] if jumps else ()),
        *untrained_sentences(untrained),
        *summary["calendar_doubts"],
    ]


def _show_heading(console: Console, summary: dict[str, Any]) -> None:
    seconds = summary["duration_seconds"]  # None while a process runs, and of one that was killed
    took = "" if seconds is None else f", {seconds:.1f} s"
    console.print(Text(f"run {summary['run_id']}: {summary['status']}{took}", style="bold"), soft_wrap=True)


def _show_figures(console: Console, found: Conclusion) -> None:
    """Print what the verdict rests on: earnings, how sure they are, and what would change it."""
    earned = Table()
    for heading in ("after costs", "in all", "per year", "worst fall", "Sharpe"):
        earned.add_column(heading, justify="left" if heading == "after costs" else "right")
    for each in found.earned:
        earned.add_row(each.name, each.growth, each.a_year, each.worst_fall, each.sharpe)
    console.table(earned)
    console.write(f"{found.span}.", INDENT)
    console.write("how sure:")
    for figure in found.sureness:
        console.write(f"{figure.name}: {figure.headline}. {figure.meaning}", INDENT)
    for fact in found.basis:
        console.write(fact, INDENT)
    console.write("what would change it:")
    for change in found.changes:
        console.write(change, INDENT)


def _show_verdict(console: Console, summary: dict[str, Any]) -> None:
    """Print the verdict with what decides it, faults of the data, the report, and what to do next."""
    if not summary["conclusion"]:
        return
    found = Conclusion.model_validate(summary["conclusion"])
    word = found.recommendation.value
    if console.is_terminal:
        console.print()
    console.print(Text.assemble("recommendation: ", (word, f"bold {STYLES[word]}"), " (the user decides)"))
    console.write(found.sentence)
    for alert in found.alerts:
        console.write(alert)
    console.write(f"after costs, per year: {', '.join(f'{each.name} {each.a_year}' for each in found.earned)}")
    if found.warnings:
        one = len(found.warnings) == 1
        words = "1 warning, which decides" if one else f"{len(found.warnings)} warnings, which decide"
        console.write(f"{words} nothing: see the report")
    if "report" in summary["paths"]:
        console.print(Text(f"report: {summary['paths']['report']}"), soft_wrap=True)
    console.write(f"next: {found.advice}")
    for step in found.next_steps:
        console.print(Text(f"{INDENT}{step}"), soft_wrap=True)  # in one line, to be copied
