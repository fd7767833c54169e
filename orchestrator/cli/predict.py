"""`orchestrator predict`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import checks
from orchestrator.cli.options import Json, ReleaseConfigFile, ReleaseDataDir, ReleaseDir, Symbols, environments
from orchestrator.cli.output import table_of
from orchestrator.terminal.console import Console
from schemas.contract.errors import ExitCode
from schemas.contract.numbers import shown
from schemas.contract.plugin_source import PLUGINS_ENV, split_paths
from schemas.contract.release import Prediction, Predictions, PredictRequest, Refusal
from schemas.files.layout import ReleaseLayout

ServedEnvironment = Annotated[
    str,
    typer.Option(help="staging or production: the environment whose students predict.", autocompletion=environments),
]
Plugins = Annotated[
    str,
    typer.Option(
        help="Plug-in files of the release's features, comma separated; if omitted: those of its run.",
        envvar=PLUGINS_ENV, show_default=False,
    ),
]  # fmt: skip
Side = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=FILE of the release's side data; if omitted: the files of its run, as they are now; may be given"
        " several times.",
        show_default=False, metavar="NAME=FILE",
    ),
]  # fmt: skip
UniverseFile = Annotated[
    str | None,
    typer.Option(
        "--universe",
        help="Universe by date of the release; if omitted: the file of its run, as it is now.",
        show_default=False, metavar="FILE",
    ),
]  # fmt: skip
SUFFIXES = (".csv", ".json", ".parquet")
# Times of daily bars in UTC (midnight in India and at UTC), which carry no information.
DAILY_TIMES = ("00:00", "18:30")


def predict(
    env: ServedEnvironment,
    symbols: Symbols = None,
    source: Annotated[
        str | None,
        typer.Option(help="csv:DIR, parquet:DIR, plugin:NAME or sample; if omitted: stored bars.", show_default=False),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Use bars up to this day, YYYY-MM-DD; if omitted: all bars.")
    ] = None,
    max_age_days: Annotated[
        int | None,
        typer.Option(min=0, help="Maximum age of the newest bar, in days; if omitted: 5, for intraday bars 1."),
    ] = None,
    out: Annotated[str | None, typer.Option(help="File to write to: .csv, .json or .parquet.")] = None,
    plugins: Plugins = "",
    side: Side = None,
    universe: UniverseFile = None,
    data_dir: ReleaseDataDir = None,
    release_dir: ReleaseDir = None,
    config: ReleaseConfigFile = None,
    as_json: Json = False,
) -> None:
    """Predict from each symbol's newest bar with the deployed students.

    A symbol with bars that are too old, too few or missing is refused: it is listed with the reason, the other symbols
    are predicted, and the exit code is 3.

    \b
    Example:
      orchestrator predict --env production --symbols TCS,INFY \\
        --as-of 2026-01-02 --out scores.csv
    """
    from orchestrator.releases.deployment import standing_of
    from orchestrator.runs.worker_process import ask

    settings = checks.release_config(config, data_dir=data_dir, release_dir=release_dir)
    environment = checks.environment("--env", env)
    warning = standing_of(ReleaseLayout(Path(settings.release_dir)), environment)
    path = None if out is None else checks.file_to_write("--out", out, SUFFIXES)
    request = PredictRequest(
        release_dir=str(Path(settings.release_dir).absolute()),
        data_dir=str(Path(settings.data_dir).absolute()),
        environment=environment,
        symbols=checks.symbols(symbols),
        source=checks.source(source),
        as_of=checks.day("--as-of", as_of),
        max_age_days=max_age_days,
        out=path,
        side=checks.side(side or []),
        universe=universe and str(Path(universe).absolute()),
    )
    found = ask("predict", request, Predictions, split_paths(plugins))
    if warning:
        Console(stderr=True).write(f"orchestrator: {warning}")
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show(Console(), found)
    raise typer.Exit(ExitCode.FAILED if found.refused else ExitCode.DONE)


def _show(console: Console, found: Predictions) -> None:
    columns = ("side", "weight, %") if found.ranked else ("trade above", "trade")
    of_values = any(each.value is not None for each in found.predictions)
    table = table_of("symbol", "bar", "value" if of_values else "probability", *columns, left=("symbol", "bar"))
    for each in found.predictions:
        held = _held(each) if found.ranked else _traded(each)
        table.add_row(each.symbol, _bar(each), _number(each, each.predicted), *held)
    if found.predictions:
        console.table(table)
    if found.ranked:
        console.write(found.ranked)
        if behind := [each.symbol for each in found.predictions if each.weight is None and not each.unseen]:
            console.write(f"not ranked, because their newest bar is older: {', '.join(behind)}")
    if unseen := [each.symbol for each in found.predictions if each.unseen]:
        baseline = "mean" if of_values else "base rate"
        console.write(
            f"not learned from, so scored from the panel's {baseline} instead of its own: {', '.join(unseen)}"
        )
    if found.flat:
        baseline = "historical mean" if of_values else "base rate"
        console.write(f"the student adds nothing to the {baseline}: {', '.join(found.flat)}")
    for reason, symbols in _by_reason(found.refused).items():
        console.write(f"refused: {', '.join(symbols)}: {reason}")
    console.write(
        f"{len(found.predictions)} scored, {len(found.refused)} refused by release {found.release_id},"
        f" in {found.seconds:.2f} s"
    )


def _by_reason(refused: Iterable[Refusal]) -> dict[str, list[str]]:
    """The symbols that were refused for each reason."""
    found: dict[str, list[str]] = {}
    for refusal in refused:
        found.setdefault(refusal.reason, []).append(refusal.symbol)
    return found


def _traded(prediction: Prediction) -> tuple[str, str]:
    """The prediction above which a trade pays, and whether it does."""
    above = "never" if prediction.trade_above is None else _number(prediction, prediction.trade_above)
    return above, "yes" if prediction.trade else "no"


def _number(prediction: Prediction, number: float) -> str:
    """A probability with four decimals, or a value of any unit with three digits."""
    return f"{number:.4f}" if prediction.value is None else shown(number, "+")


def _held(prediction: Prediction) -> tuple[str, str]:
    """The side of a long-short book, and the share of the capital."""
    if prediction.weight is None:
        return "not ranked", shown(None)
    side = "long" if prediction.weight > 0 else "short" if prediction.weight < 0 else "none"
    return side, shown(100 * prediction.weight, "+")


def _bar(prediction: Prediction) -> str:
    """The day of the bar that was predicted from, and the time of an intraday one."""
    time = f"{prediction.bar:%H:%M}"
    return (
        f"{prediction.session}"
        + ("" if time in DAILY_TIMES else f" ({time} UTC)")
        + (" (in sample)" if prediction.in_sample else "")
    )
