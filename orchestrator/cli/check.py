"""`orchestrator check`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.options import DataDir, Json
from orchestrator.cli.output import plural, table_of
from orchestrator.terminal.console import Console
from schemas.contract.errors import ExitCode, RequestError
from schemas.contract.plugin_source import split_paths
from schemas.contract.requests import CheckReport, CheckRequest

Source = Annotated[str | None, typer.Option(help="Source of bars, such as csv:DIR or sample; if omitted: stored bars.")]


def check(
    files: Annotated[str, typer.Argument(help="Python files with features, comma separated.")],
    source: Source = None,
    symbols: Annotated[str | None, typer.Option(help="Symbols, comma separated; if omitted: all.")] = None,
    interval: Annotated[str | None, typer.Option(help="Interval of the bars; if omitted: 1day.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Time zone of the bars; if omitted: as for `orchestrator ingest`.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings of the source.")] = None,
    data_dir: DataDir = "data",
    as_json: Json = False,
) -> None:
    """Check features of your own for look-ahead and warm-up.

    Each feature is computed again without the bars after random cuts, with other bars in their place, and from later
    beginnings of the history. Exit code 3 if one is refused; a run refuses it for the same reasons.

    \b
    Example:
      orchestrator check ideas.py --source sample
    """
    from orchestrator.bars.coverage import stored_table
    from orchestrator.runs.settings import resolve
    from orchestrator.runs.worker_process import ask
    from schemas.config.bars import IngestConfig
    from schemas.files.layout import BarsLayout

    flags: dict[str, Any] = {
        "source": source, "symbols": symbols, "interval": interval, "timezone": timezone, "data_dir": data_dir,
    }  # fmt: skip
    settings = resolve(IngestConfig, flags, config)
    # The source may be named by the file of --config, or by the environment.
    chosen, reads_source = settings.symbols, "source" in settings.model_fields_set
    if not reads_source and not chosen:
        chosen = tuple(sorted(stored_table(BarsLayout.under(settings.data_dir, settings.interval)).symbols))
        if not chosen:
            raise RequestError(f"no bars are stored under {settings.data_dir}; give --source, such as --source sample")
    request = CheckRequest(
        data_dir=str(Path(settings.data_dir).absolute()),
        interval=settings.interval,
        timezone=settings.timezone,
        bars=settings.bars(None, None) if reads_source else None,
        symbols=chosen,
    )
    console = Console(stderr=as_json)
    with console.status("computing features"):
        found = ask("check", request, CheckReport, split_paths(files))
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show(console, found)
    raise typer.Exit(ExitCode.FAILED if any(each.faults for each in found.checks) else ExitCode.DONE)


def _show(console: Console, found: CheckReport) -> None:
    table = table_of("feature", "verdict", "missing", "ms per symbol", left=("feature", "verdict"))
    for each in found.checks:
        verdict = "refused" if each.faults else "accepted"
        table.add_row(each.name, verdict, f"{each.missing * 100:.3g} %", f"{each.seconds * 1e3:.3g}")
    console.print(table)
    for each in found.checks:
        for sentence in each.faults:
            console.write(f"refused: {each.name}: {sentence}")
    for each in found.checks:
        for sentence in each.notes:
            console.write(f"note: {each.name}: {sentence}")
    refused = sum(bool(each.faults) for each in found.checks)
    console.write(
        f"{len(found.checks) - refused} accepted, {refused} refused, on {found.bars} bars of"
        f" {plural(len(found.symbols), 'symbol')}"
    )
