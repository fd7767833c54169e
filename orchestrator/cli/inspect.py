"""`orchestrator plan`, `runs` and `status`: look, change nothing."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.options import fail, with_config
from orchestrator.cli.run import load_run
from orchestrator.terminal.console import Console, report_ignored_files
from schemas.config.run import RunConfig
from schemas.contract.errors import GurukulError
from schemas.contract.quality import Verdict
from schemas.contract.window import SkipReason


@with_config(RunConfig)
def plan(config: RunConfig) -> None:
    """Show the windows that `run` would train, and why others are skipped. Writes nothing.

    \b
    Example:
      orchestrator plan --source csv:bars \\
        --start-date 2022-01-01 --end-date 2024-12-31
    """
    from orchestrator.runs.preflight import planned, prepare

    console = Console(stderr=config.json_summary)
    with console.status("reading bars"):
        prepared = prepare(config, read=True)
    assert prepared.known is not None
    known = prepared.known
    windows = planned(prepared.config, known)
    trainable = [each for each in windows if each.skip is None]
    table = Table()
    for heading in ("symbol", "bars", "first", "last", "verdict", "windows", "trainable"):
        table.add_column(heading, justify="left" if heading in ("symbol", "verdict") else "right", no_wrap=True)
    for symbol in prepared.config.symbols:
        mine = [each for each in windows if each.window.symbol == symbol]
        ready = sum(each.skip is None for each in mine)
        row = known.symbols.get(symbol)
        cells = (str(row.bars), str(row.first), str(row.last), row.verdict) if row else ("", "", "", Verdict.REJECT)
        table.add_row(symbol, *cells, str(len(mine)), str(ready))
    console.print(table)
    for rejection in known.rejected.values():
        console.write(f"{rejection.symbol} is left out: {rejection.sentence}")
    for reason in SkipReason:
        skips = Counter(each.window.symbol for each in windows if each.skip is reason)
        if skips:
            which = ", ".join(f"{symbol} {count}" for symbol, count in skips.items())
            console.print(Text(f"skipped, {reason}: {which}"))
    rows = sum(each.expected_rows for each in trainable)
    console.print(
        f"{len(windows)} windows of {len(prepared.config.symbols)} symbols: {len(trainable)} to train,"
        f" {len(windows) - len(trainable)} skipped; about {rows} labelled rows"
    )
    report_ignored_files(console, prepared.passed_over)
    devices = ", ".join(f"{device.name} ({device.slots})" for device in prepared.devices) or "those on the broker"
    console.print(Text(f"devices (slots): {devices}"), soft_wrap=True)
    if config.json_summary:
        typer.echo(json.dumps([p.model_dump(mode="json") | {"label": p.window.label} for p in windows]))


def runs(
    data_dir: Annotated[
        str, typer.Option(help="Folder of bars, models and telemetry.", envvar="GURUKUL_DATA_DIR")
    ] = "data",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List the runs under a data folder, newest first."""
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.runs.summary import summarise

    found = []
    for ledger_path in Path(data_dir).glob("models/*/ledger.db"):
        try:
            manifest, layout = load_run(data_dir, ledger_path.parent.name)
            ledger = Ledger(layout.ledger)
        except GurukulError as error:
            typer.echo(f"orchestrator: {error}", err=True)
            continue
        found.append((manifest, summarise(manifest, ledger, layout)))
        ledger.close()
    found.sort(key=lambda pair: pair[0].created, reverse=True)
    if as_json:
        typer.echo(json.dumps([summary for _, summary in found]))
        return
    if not found:
        typer.echo(f"no runs under {data_dir}/models")
        return
    table = Table()
    for heading in ("run", "status", "trained", "skipped", "failed", "recommendation"):
        table.add_column(
            heading, overflow="fold", justify="right" if heading in ("trained", "skipped", "failed") else "left"
        )
    for _, summary in found:
        counts = summary["windows"]["student"]
        cells = (counts["success"], counts["skipped"], counts["failed"])
        table.add_row(summary["run_id"], summary["status"], *map(str, cells), summary["recommendation"] or "")
    Console().print(table)


def status(
    run_id: Annotated[str, typer.Argument(help="The run to look at.")],
    data_dir: Annotated[
        str, typer.Option(help="Folder of bars, models and telemetry.", envvar="GURUKUL_DATA_DIR")
    ] = "data",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show how far a run is, or how it ended."""
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.runs.summary import show, summarise, untrained_symbols

    try:
        manifest, layout = load_run(data_dir, run_id)
        ledger = Ledger(layout.ledger)
    except GurukulError as error:
        raise fail(error) from None
    summary, untrained = summarise(manifest, ledger, layout), untrained_symbols(manifest, ledger)
    ledger.close()
    if as_json:
        typer.echo(json.dumps(summary, allow_nan=False))
    else:
        show(Console(), summary, untrained)
