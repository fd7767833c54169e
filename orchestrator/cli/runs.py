"""`orchestrator runs`."""

import json
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.options import DataDir
from orchestrator.cli.output import table_of
from orchestrator.terminal.console import Console
from schemas.contract.errors import GurukulError
from schemas.files.layout import RunLayout
from schemas.files.run_files import open_run


def runs(
    data_dir: DataDir = "data",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List the runs and studies under a data folder, newest first.

    \b
    Example:
      orchestrator runs --data-dir /srv/gurukul/data
    """
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.runs.summary import summarise

    found, studies, unreadable = [], set(), 0
    for ledger_path in Path(data_dir).glob("models/*/ledger.db"):
        if RunLayout(ledger_path.parent).parent_study is not None:
            continue
        try:
            manifest, layout = open_run(data_dir, ledger_path.parent.name)
            with closing(Ledger(layout.ledger, read_only=True)) as ledger:
                found.append((manifest, summarise(manifest, ledger, layout)))
            if layout.study.is_file():
                studies.add(manifest.run_id)
        except GurukulError as error:
            typer.echo(f"orchestrator: {error}", err=True)
            unreadable += 1
    found.sort(key=lambda pair: pair[0].created, reverse=True)
    if as_json:
        typer.echo(json.dumps([summary for _, summary in found]))
        return
    if not found:
        count = f"no run of {unreadable} can be read" if unreadable else "no runs"
        typer.echo(f"{count} under {data_dir}/models")
        return
    show_runs(Console(), [summary for _, summary in found], studies)


def show_runs(console: Console, found: list[dict[str, Any]], studies: Collection[str] = ()) -> None:
    """One row per run; `studies` names those that are studies, which have no verdict.

    Why a run ended or waits is a column in a pipe, and a line below the table in a terminal.
    """
    headings = ["run", "status", "trained", "skipped", "failed", "verdict"]
    table = table_of(*headings, left=("run", "status", "verdict"), no_wrap=True, light=True)
    if not console.is_terminal:
        table.add_column("reason")
    for summary in found:
        counts = summary["windows"]["student"]
        cells = (str(counts[each]) for each in ("success", "skipped", "failed"))
        reason = [] if console.is_terminal else [summary["reason"] or ""]
        verdict = summary["recommendation"] or ("(study)" if summary["run_id"] in studies else "")
        table.add_row(summary["run_id"], summary["status"], *cells, verdict, *reason)
    console.table(table, names=0)
    for summary in found if console.is_terminal else ():
        if summary["reason"]:
            console.write(f"{summary['run_id']}: {summary['reason']}")
