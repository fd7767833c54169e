"""`orchestrator ingest`."""

import json
from pathlib import Path

import typer
from rich.text import Text

from orchestrator.cli.config_flags import with_config
from orchestrator.cli.output import table_of
from orchestrator.terminal.console import Console
from schemas.config.bars import IngestConfig
from schemas.config.run import RunConfig
from schemas.contract.coverage import CoverageTable
from schemas.contract.errors import ExitCode, Interrupted, PhaseError
from schemas.contract.quality import Verdict
from schemas.contract.window import WARMUP_BARS
from schemas.files.layout import BarsLayout

STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.REJECT: "red"}

LEAST_ROWS = RunConfig.model_fields["min_rows"].default


@with_config(IngestConfig)
def ingest(config: IngestConfig) -> None:
    """Read, check and store bars, without training.

    Each symbol gets a verdict: ok, warn or reject. With --validate-only nothing is stored.
    Dates mean the same as in `run`: those of the windows; the bars that these windows need before and after are stored
    as well.

    \b
    Examples:
      orchestrator ingest --source csv:bars --validate-only
      orchestrator ingest --source csv:bars --incremental
    """
    from orchestrator.bars.coverage import refuse_failures
    from orchestrator.bars.suggested_actions import write_actions
    from orchestrator.runs import ingest_session

    console = Console(stderr=config.json_summary)
    table, message, code = CoverageTable(), "", ExitCode.DONE
    try:
        table = ingest_session.look(config, console) if config.validate_only else ingest_session.start(config, console)
        refuse_failures(table, config.max_failure_rate)
    except Interrupted as error:
        message, code = f"{error}; bars stored so far are kept; run the command again", error.exit_code
    except PhaseError as error:
        message, code = str(error), error.exit_code
    if table.symbols or table.rejected:
        _show_bars(console, table, WARMUP_BARS + LEAST_ROWS + config.horizon)
        _show_days(console, config, table)
        if config.write_actions:
            count = write_actions(Path(config.write_actions), table, config.corporate_actions)
            console.write(f"suggested actions: {count} in {config.write_actions}; check them, then use the file")
    if not config.validate_only and code != ExitCode.STOPPED:
        bars = BarsLayout.under(config.data_dir, config.interval)
        console.write(f"bars: {bars.folder}")
        console.write(f"coverage: {bars.coverage}, {bars.report}")
    if message:
        console.write(f"failed: {message}")
    if config.json_summary:
        typer.echo(json.dumps(table.model_dump(mode="json"), allow_nan=False))
    raise typer.Exit(code)


def _show_days(console: Console, config: IngestConfig, table: CoverageTable) -> None:
    """The days that the bars span, and the windows that they are for."""
    rows = table.symbols.values()
    if not rows:
        return
    verb = "read" if config.validate_only else "stored"
    span = f"{verb}: {min(row.first for row in rows)} to {max(row.last for row in rows)}"
    parts = []
    if config.start_date:
        parts.append(f"windows from {config.start_date} and {WARMUP_BARS} bars of warm-up before them")
    if config.end_date and config.incremental:
        parts.append(f"bars to the newest, also after --end-date {config.end_date}")
    elif config.end_date:
        parts.append(
            f"windows until before {config.end_date} and the bars that score them: {config.step_days} days and"
            f" {config.horizon} bars"
        )
    console.write(f"{span} ({'; '.join(parts)})" if parts else f"{span}, all bars of the source")


def _show_bars(console: Console, table: CoverageTable, least_bars: int) -> None:
    """One row per symbol, then each finding once with the symbols that it concerns.

    `least_bars`: warm-up, the minimum of rows per window, and the bars that the last label needs.
    """
    from orchestrator.audit.wording import some
    from orchestrator.bars.coverage import findings_of, verdicts_of

    headings = ("symbol", "verdict", "bars", "first", "last", "sessions", "enough")
    rows = table_of(*headings, left=("symbol", "verdict"), no_wrap=True)
    for row in table.symbols.values():
        expected = "" if row.sessions_expected is None else f"/{row.sessions_expected}"
        cells = (f"{row.bars}", f"{row.first}", f"{row.last}", f"{row.sessions}{expected}")
        rows.add_row(row.symbol, _styled(row.verdict), *cells, "yes" if row.bars >= least_bars else "too short")
    for symbol in table.rejected:
        rows.add_row(symbol, _styled(Verdict.REJECT), "", "", "", "", "no")
    console.table(rows)
    for finding, symbols in findings_of(table):
        word = Text("note") if finding.verdict is Verdict.OK else _styled(finding.verdict)
        console.write(Text.assemble(word, f" {some(symbols)}: {finding.sentence}"))
    if short := [row.symbol for row in table.symbols.values() if row.bars < least_bars]:
        console.write(
            f"too short to train: {some(short)}; the first window needs {least_bars} bars, {WARMUP_BARS} of them"
            " before its first row"
        )
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts_of(table).items())
    total = len(table.symbols) + len(table.rejected)
    console.write(f"{total} symbol{'s' * (total != 1)}: {counts}")


def _styled(verdict: Verdict) -> Text:
    return Text(verdict.value, STYLES[verdict])
