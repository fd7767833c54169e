"""`orchestrator runs`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import DataDir
from orchestrator.cli.output import table_of
from orchestrator.terminal.console import Console
from schemas.contract.errors import GurukulError
from schemas.files.run_files import open_run


def runs(
    data_dir: DataDir = "data",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List the runs under a data folder, newest first.

    \b
    Example:
      orchestrator runs --data-dir /srv/gurukul/data
    """
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.runs.summary import summarise

    found, unreadable = [], 0
    for ledger_path in Path(data_dir).glob("models/*/ledger.db"):
        try:
            manifest, layout = open_run(data_dir, ledger_path.parent.name)
            ledger = Ledger(layout.ledger, read_only=True)
        except GurukulError as error:
            typer.echo(f"orchestrator: {error}", err=True)
            unreadable += 1
            continue
        found.append((manifest, summarise(manifest, ledger, layout)))
        ledger.close()
    found.sort(key=lambda pair: pair[0].created, reverse=True)
    if as_json:
        typer.echo(json.dumps([summary for _, summary in found]))
        return
    if not found:
        count = f"no run of {unreadable} can be read" if unreadable else "no runs"
        typer.echo(f"{count} under {data_dir}/models")
        return
    left = ("run", "status", "recommendation or reason")
    table = table_of("run", "status", "trained", "skipped", "failed", "recommendation or reason", left=left)
    for _, summary in found:
        counts = summary["windows"]["student"]
        cells = (counts["success"], counts["skipped"], counts["failed"])
        table.add_row(
            summary["run_id"], summary["status"], *map(str, cells), summary["reason"] or summary["recommendation"] or ""
        )
    Console().print(table)
