"""`orchestrator check`."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.options import DataDir, Json
from orchestrator.cli.output import plural, table_of
from orchestrator.cli.run_choice import whole_id
from orchestrator.terminal.console import Console
from schemas.config.judgement import OwnGate
from schemas.contract.errors import ExitCode, RequestError
from schemas.contract.plugin_source import split_paths
from schemas.contract.requests import CheckReport, GateAnswer

Source = Annotated[str | None, typer.Option(help="Source of bars, such as csv:DIR or sample; if omitted: stored bars.")]

SideFlag = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=FILE of side data that features or labels read; may be given several times.", metavar="NAME=FILE"
    ),
]
SideLag = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=DURATION after its time at which a value is known; may be given several times.",
        metavar="NAME=DURATION",
    ),
]
SideMaxAge = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=DURATION after which a value is missing; may be given several times.", metavar="NAME=DURATION"
    ),
]


def check(
    files: Annotated[str, typer.Argument(help="Python files with features and labels, comma separated.")],
    source: Source = None,
    symbols: Annotated[str | None, typer.Option(help="Symbols, comma separated; if omitted: all.")] = None,
    interval: Annotated[str | None, typer.Option(help="Interval of the bars.  [default: 1day]")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Time zone of the bars; if omitted: as for `orchestrator ingest`.")
    ] = None,
    calendar: Annotated[
        str | None, typer.Option(help="Exchange calendar; if omitted: as for `orchestrator ingest`.")
    ] = None,
    side: SideFlag = None,
    side_lag: SideLag = None,
    side_max_age: SideMaxAge = None,
    universe: Annotated[
        str | None, typer.Option(help="CSV file (symbol,from,to): on other days a panel's features see no values.")
    ] = None,
    run: Annotated[
        str | None, typer.Option(help="A judged run that gates are tried on.", show_default=False, metavar="RUN_ID")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings of the source.")] = None,
    data_dir: DataDir = "data",
    as_json: Json = False,
) -> None:
    """Check features, labels, models and gates of your own.

    Each feature and label is computed again without the bars after random cuts, and with other bars in their place; a
    feature also from later beginnings of the history. Each model is fitted twice, stored and read. Each gate judges
    the run --run. Exit code 3 if one is refused; a run refuses it for the same reasons.

    \b
    Example:
      orchestrator check ideas.py --source sample
    """
    from orchestrator.runs.check import check_plugins, check_settings, try_gate
    from schemas.files.run_files import open_run

    flags: dict[str, Any] = {
        "source": source, "symbols": symbols, "interval": interval, "timezone": timezone, "data_dir": data_dir,
        "calendar": calendar, "side": side, "side_lag": side_lag, "side_max_age": side_max_age,
        "plugins": files, "universe": universe,
    }  # fmt: skip
    settings, beside = check_settings(flags, config, os.environ)
    judged = open_run(data_dir, whole_id(data_dir, run)) if run is not None else None
    console = Console(stderr=as_json)
    with console.status("computing features and labels"):
        found = check_plugins(split_paths(files), settings, beside)
    if judged is not None:
        if not found.gates:
            raise RequestError(f"{files} defines no gate to try on run {run}; leave out --run")
        tried = {each.name: try_gate(split_paths(files), each, *judged) for each in found.gates}
        found = found.model_copy(update={"tried": tried})
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show(console, found, settings.resolved_calendar)
        for gate in found.gates:
            console.write(_of_gate(gate, found.tried.get(gate.name)))
    refused = any(_verdicts(found)) or any(each.error for each in found.tried.values())
    raise typer.Exit(ExitCode.FAILED if refused else ExitCode.DONE)


def _of_gate(gate: OwnGate, answer: GateAnswer | None) -> str:
    """What a gate found in the run that it was tried on."""
    if answer is None:
        return f"gate {gate.name}: not tried; give --run RUN_ID of a judged run"
    if answer.report is None:
        return f"gate {gate.name}: refused: {answer.error}"
    found = "; ".join(f"{each.name} {each.answer}: {each.reason}" for each in answer.report.gate.criteria)
    return f"gate {gate.name}: {answer.report.gate.answer}; {found}"


def _verdicts(found: CheckReport) -> list[bool]:
    """Whether each feature and each model is refused."""
    return [bool(each.faults) for each in found.checks] + [bool(each.fault) for each in found.models]


def _show(console: Console, found: CheckReport, calendar: str) -> None:
    from orchestrator.runs.side import side_sentences

    for sentence in side_sentences(found.side, calendar):
        console.write(f"note: {sentence}")
    table = table_of("name", "kind", "verdict", "missing", "ms per symbol", left=("name", "kind", "verdict"))
    for each in found.checks:
        verdict = "refused" if each.faults else "accepted"
        table.add_row(each.name, each.kind, verdict, f"{each.missing * 100:.3g} %", f"{each.seconds * 1e3:.3g}")
    if found.checks:
        console.table(table)
    for each in found.checks:
        for sentence in each.faults:
            console.write(f"refused: {each.name}: {sentence}")
    for each in found.checks:
        for sentence in each.notes:
            console.write(f"note: {each.name}: {sentence}")
    for model in found.models:
        values = ", ".join(f"{name} {value}" for name, value in model.parameters.items()) or "no parameters"
        verdict = f"refused: {model.fault}" if model.fault else "accepted: two fits have equal bytes"
        console.write(f"model {model.name} ({', '.join(model.roles)}; {values}): {verdict}")
    verdicts = _verdicts(found)
    console.write(
        f"{verdicts.count(False)} accepted, {verdicts.count(True)} refused, on {found.bars} bars of"
        f" {plural(len(found.symbols), 'symbol')}"
    )
