"""`orchestrator features`."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.checks import file_to_write
from orchestrator.cli.options import DataDir, Json
from orchestrator.cli.output import table_of
from orchestrator.terminal.console import Console
from schemas.config.features import OWN
from schemas.contract.errors import RequestError
from schemas.contract.plugin_source import PLUGINS_ENV, shown, split_paths
from schemas.contract.requests import FeatureFacts, LabelFacts, PluginReport


def features(
    names: Annotated[
        str, typer.Argument(metavar="[FEATURES]", help="Sets and names as for --features of `orchestrator run`.")
    ] = "",
    plugins: Annotated[
        str, typer.Option(help="Python files with features of your own, comma separated.", envvar=PLUGINS_ENV)
    ] = "",
    run: Annotated[
        str | None, typer.Option(help="A run's id: write the features of its bars to --out.", show_default=False)
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="With --run: the file to write, .parquet.", show_default=False)
    ] = None,
    window: Annotated[
        str | None, typer.Option(help="With --run: write only the rows of this window.", show_default=False)
    ] = None,
    data_dir: DataDir = "data",
    as_json: Json = False,
) -> None:
    """List features of models, or write those of a run's bars.

    Without NAMES: all that models can see; else the columns that this choice gives. With --plugins, the labels, gates
    and sources of the files too.

    \b
    Examples:
      orchestrator features --plugins ideas.py
      orchestrator features minimal,rank_rsi_14,beta
      orchestrator features --run nightly --out features.parquet
    """
    if (run is None) != (out is None):
        raise RequestError("--run and --out go together: the run whose bars are used, and the file to write")
    if run is not None and out is not None:
        if names:
            raise RequestError(f"--run writes the features that run {run} has chosen; leave out {names}")
        _write(run, window, out, data_dir, plugins, as_json)
        return
    if window is not None:
        raise RequestError("--window is a window of a run; give --run and --out")
    from orchestrator.runs.plugins import ask_about
    from schemas.config.features import split_names

    found = ask_about(split_names(names) if names else (OWN,), split_paths(plugins))
    if as_json:
        typer.echo(found.model_dump_json())
        return
    if names:
        for column in found.columns:
            typer.echo(column)
        return
    _show(found)


def _show(found: PluginReport) -> None:
    """Print a table of the features, and one each of a user's own labels, gates and sources of bars."""
    table = table_of("feature", "formula", "warm-up, bars", "source", left=("feature", "formula", "source"))
    table.columns[0].no_wrap = True
    for each in found.features:
        warmup = "all" if each.warmup_bars is None else str(each.warmup_bars)
        table.add_row(each.name, each.formula, warmup, _source(each))
    Console().table(table)
    if found.labels:
        labels = table_of("label", "formula", "horizon, bars", "source", left=("label", "formula", "source"))
        for mine in found.labels:
            labels.add_row(mine.name, mine.formula, str(mine.horizon_bars), _source(mine))
        Console().table(labels)
    if found.gates:
        gates = table_of("gate", "question", "a failure", "source", left=("gate", "question", "a failure", "source"))
        for judge in found.gates:
            gates.add_row(judge.name, judge.question, "rejects" if judge.decides else "warns", shown(judge.plugin))
        Console().table(gates)
    if found.sources:
        sources = table_of("bars", "prices", "source", left=("bars", "prices", "source"))
        for own in found.sources:
            sources.add_row(f"plugin:{own.name}", "adjusted" if own.adjusted else "as traded", shown(own.plugin))
        Console().table(sources)


def _source(each: FeatureFacts | LabelFacts) -> str:
    """Where a feature or a label comes from, and what it reads beside a symbol's bars."""
    reads = ["panel"] * each.panel + [f"side {name}" for name in each.side]
    return f"{each.source} ({', '.join(reads)})" if reads else each.source


def _write(run_id: str, window: str | None, out: str, data_dir: str, plugins: str, as_json: bool) -> None:
    """Write the features of a run's bars, or of a window's rows, to a Parquet file."""
    from orchestrator.runs.worker_process import ask
    from schemas.contract.requests import MatrixRequest, MatrixWritten
    from schemas.files.run_files import open_run

    path = file_to_write("--out", out, (".parquet",))
    manifest, _ = open_run(data_dir, run_id)
    folder = str(Path(data_dir).absolute())
    request = MatrixRequest(data_dir=folder, run_id=manifest.run_id, out=path, label=window)
    found = ask("matrix", request, MatrixWritten, split_paths(plugins))
    noun = "bars" if window is None else "rows"
    typer.echo(found.model_dump_json() if as_json else f"{out}: {found.rows} {noun}, {len(found.columns)} features")
