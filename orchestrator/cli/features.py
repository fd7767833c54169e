"""`orchestrator features`."""

from typing import Annotated

import typer

from orchestrator.cli.options import Json
from orchestrator.cli.output import table_of
from orchestrator.terminal.console import Console
from schemas.config.features import OWN
from schemas.contract.plugin_source import PLUGINS_ENV, split_paths


def features(
    names: Annotated[
        str, typer.Argument(metavar="[FEATURES]", help="Sets and names as for --features of `orchestrator run`.")
    ] = "",
    plugins: Annotated[
        str, typer.Option(help="Python files with features of your own, comma separated.", envvar=PLUGINS_ENV)
    ] = "",
    as_json: Json = False,
) -> None:
    """List the features that models can see, or the columns that a choice of them gives.

    \b
    Examples:
      orchestrator features --plugins ideas.py
      orchestrator features minimal,rank_rsi_14,beta
    """
    from orchestrator.runs.plugins import ask_about
    from schemas.config.features import split_names

    found = ask_about(split_names(names) if names else (OWN,), split_paths(plugins))
    if as_json:
        typer.echo(found.model_dump_json())
        return
    console = Console()
    if names:
        for column in found.columns:
            typer.echo(column)
        return
    table = table_of("feature", "formula", "warm-up, bars", "source", left=("feature", "formula", "source"))
    for each in found.features:
        warmup = "all" if each.warmup_bars is None else str(each.warmup_bars)
        source = f"{each.source} (panel)" if each.panel else each.source
        table.add_row(each.name, each.formula, warmup, source)
    console.print(table)
