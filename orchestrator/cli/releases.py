"""`orchestrator releases`."""

import json
from datetime import datetime
from typing import Any

import typer

from orchestrator.cli import checks
from orchestrator.cli.options import Json, PublicKey, ReleaseConfigFile, ReleaseDataDir, ReleaseDir
from orchestrator.cli.output import table_of
from orchestrator.terminal.console import Console
from schemas.contract.errors import ExitCode

SHOWN_DIGITS = 12
# Entries that announce another one.
INTENTIONS = ("deploying", "rolling back")


def releases(
    data_dir: ReleaseDataDir = None,
    release_dir: ReleaseDir = None,
    public_key: PublicKey = None,
    config: ReleaseConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show the release log, and what is live.

    Exit code 3 if the log or a release was changed.

    \b
    Example:
      orchestrator releases --public-key release.pub
    """
    from orchestrator.releases.overview import overview

    found = overview(checks.release_config(config, data_dir=data_dir, release_dir=release_dir).release_dir, public_key)
    if as_json:
        typer.echo(json.dumps(found, allow_nan=False))
    else:
        _show(Console(), found)
    raise typer.Exit(ExitCode.FAILED if found["faults"] else ExitCode.DONE)


def _show(console: Console, found: dict[str, Any]) -> None:
    headings = ("seq", "time (UTC)", "what", "where", "release or run", "by")
    table = table_of(*headings, left=headings, light=True)
    table.columns[headings.index("release or run")].no_wrap = True
    for entry in found["entries"]:
        if entry["action"] in INTENTIONS:
            continue
        time = datetime.fromisoformat(entry["time"])
        what = entry["action"] + (" (override)" if entry["override"] else "")
        table.add_row(
            str(entry["seq"]), f"{time:%Y-%m-%d %H:%M}", what, entry["environment"] or "",
            entry["release_id"] or entry["run_id"], entry["who"],
        )  # fmt: skip
    if found["entries"]:
        console.table(table, names=headings.index("release or run"))
    for environment, live in found["live"].items():
        since = datetime.fromisoformat(live["since"])
        console.write(f"live in {environment} since {since:%Y-%m-%d %H:%M}: {live['release_id']}, {live['signature']}")
    if not found["live"]:
        console.write("nothing is live")
    for note in found["notes"]:
        console.write(f"note: {note}")
    for fault in found["faults"]:
        console.write(f"broken: {fault}")
    if found["head"] and not found["faults"]:
        console.write(f"the log is whole; its head is {found['head'][:SHOWN_DIGITS]}")
