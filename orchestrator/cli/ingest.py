"""`orchestrator ingest`."""

import json

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


NAMED = 4
# Warm-up, the minimum of rows per window, and the bars that the last label needs.
LEAST_BARS = WARMUP_BARS + RunConfig.model_fields["min_rows"].default + RunConfig.model_fields["horizon"].default


@with_config(IngestConfig)
def ingest(config: IngestConfig) -> None:
    """Read, check and store bars, without training.

    Each symbol gets a verdict: ok, warn or reject. With --validate-only nothing is stored.

    \b
    Examples:
      orchestrator ingest --source csv:bars --validate-only
      orchestrator ingest --source csv:bars --incremental
    """
    from orchestrator.bars.coverage import refuse_failures
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
        _show_bars(console, table)
    if not config.validate_only and code != ExitCode.STOPPED:
        bars = BarsLayout.under(config.data_dir, config.interval)
        console.write(f"bars: {bars.folder}")
        console.write(f"coverage: {bars.coverage}, {bars.report}")
    if message:
        console.write(f"failed: {message}")
    if config.json_summary:
        typer.echo(json.dumps(table.model_dump(mode="json"), allow_nan=False))
    raise typer.Exit(code)


def _show_bars(console: Console, table: CoverageTable) -> None:
    """One row per symbol, then each finding once with the symbols that it concerns."""
    from orchestrator.bars.coverage import findings_of, verdicts_of

    headings = ("symbol", "verdict", "bars", "first", "last", "sessions", "enough")
    rows = table_of(*headings, left=("symbol", "verdict"), no_wrap=True)
    for row in table.symbols.values():
        expected = "" if row.sessions_expected is None else f"/{row.sessions_expected}"
        cells = (f"{row.bars}", f"{row.first}", f"{row.last}", f"{row.sessions}{expected}")
        rows.add_row(row.symbol, _styled(row.verdict), *cells, "yes" if row.bars >= LEAST_BARS else "too short")
    for symbol in table.rejected:
        rows.add_row(symbol, _styled(Verdict.REJECT), "", "", "", "", "no")
    console.print(rows)
    for finding, symbols in findings_of(table):
        names = ", ".join(symbols[:NAMED]) + (f" and {len(symbols) - NAMED} more" if len(symbols) > NAMED else "")
        console.write(Text.assemble(_styled(finding.verdict), f" {names}: {finding.sentence}"))
    if short := [row.symbol for row in table.symbols.values() if row.bars < LEAST_BARS]:
        console.write(
            f"too short to train: {', '.join(short)}; the first window needs {LEAST_BARS} bars, {WARMUP_BARS} of them"
            " before its first row"
        )
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts_of(table).items())
    total = len(table.symbols) + len(table.rejected)
    console.write(f"{total} symbol{'s' * (total != 1)}: {counts}")


def _styled(verdict: Verdict) -> Text:
    return Text(verdict.value, STYLES[verdict])
