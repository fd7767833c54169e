"""`orchestrator plan`."""

import json
from collections import Counter

import typer
from rich.text import Text

from orchestrator.cli.config_flags import with_config
from orchestrator.cli.output import table_of
from orchestrator.cli.panels import SETTINGS
from orchestrator.terminal.console import Console, report_files
from schemas.config.run import RunConfig
from schemas.contract.coverage import CoverageTable
from schemas.contract.quality import Verdict
from schemas.contract.reason_words import words_for
from schemas.contract.window import PlannedWindow, SkipReason

# With `--label-return net` they decide whether a label can be 1.
COSTS_OF_LABELS = ("cost_bps", "slippage_bps")
# Settings of `run` on which no window and no row depends.
UNUSED = (
    "teacher", "student", "set", "distill_weight", "reward_weights", "seed",
    *(name for name in SETTINGS["Costs"] if name not in COSTS_OF_LABELS),
    "min_devices", "max_devices", "priority", "reuse", "max_failure_rate", "window_limit", "release_dir", "signing_key",
    "study", "log_dir", "log_format", "telemetry", "telemetry_dir", "telemetry_buffer", "telemetry_delay", "mlflow",
)  # fmt: skip


@with_config(
    RunConfig,
    unused=UNUSED,
    power="Show what the scored days and symbols could find: ratios per year, and years per ratio.",
)
def plan(config: RunConfig, power: bool) -> None:
    """Show the windows that `run` would train, and all skip reasons.

    Writes nothing.

    \b
    Example:
      orchestrator plan --source csv:bars \\
        --start-date 2022-01-01 --end-date 2024-12-31
    """
    from orchestrator.bars.zone import calendar_of
    from orchestrator.planning.power import power_sentences
    from orchestrator.planning.reach import doubts
    from orchestrator.planning.windows import in_scope
    from orchestrator.planning.windows import plan as lay_plan
    from orchestrator.runs.preflight import prepare
    from orchestrator.runs.side import side_sentences
    from orchestrator.runs.universe import universe_sentences

    console = Console(stderr=config.json_summary)
    with console.status("reading bars"):
        prepared = prepare(config, read=True)
    known = prepared.known
    assert known is not None
    windows = tuple(lay_plan(prepared.config, known, prepared.universe))
    _print_symbols(console, prepared.config.symbols, known, windows)
    _print_skips(console, windows, known)
    for scope in dict.fromkeys((config.scope, config.training().scope_of_students)):
        models = in_scope(windows, scope)
        trainable = [each for each in models if each.skip is None]
        symbols = f"{len(prepared.config.symbols)} symbols" + (" together" if scope == "panel" else "")
        console.write(
            f"{len(models)} windows of {symbols}: {len(trainable)} to train, {len(models) - len(trainable)} skipped;"
            f" about {sum(each.expected_rows for each in trainable)} labelled rows"
        )
    for sentence in power_sentences(prepared.config, windows, known) if power else ():
        console.write(f"power: {sentence}")
    beside = universe_sentences(prepared.universe, prepared.config, known)
    beside += side_sentences(prepared.side, calendar_of(prepared.config, known))
    for doubt in (*doubts(prepared.config, windows, known), *beside):
        console.write(f"note: {doubt}")
    report_files(console, prepared.understood, prepared.passed_over)
    devices = ", ".join(f"{device.name} ({device.slots})" for device in prepared.devices) or "those on the broker"
    console.print(Text(f"devices (slots): {devices}"), soft_wrap=True)
    if config.json_summary:
        typer.echo(json.dumps([p.model_dump(mode="json") | {"label": p.window.label} for p in windows]))


def _print_symbols(
    console: Console, symbols: tuple[str, ...], known: CoverageTable, windows: tuple[PlannedWindow, ...]
) -> None:
    """One row per symbol: its bars, and how many of its windows can be trained."""
    from orchestrator.bars.sentences import left_out

    table = table_of(
        "symbol", "bars", "first", "last", "verdict", "windows", "trainable", left=("symbol", "verdict"), no_wrap=True
    )
    for symbol in symbols:
        own = [each for each in windows if each.window.symbol == symbol]
        row = known.symbols.get(symbol)
        cells = (str(row.bars), str(row.first), str(row.last), row.verdict) if row else ("", "", "", Verdict.REJECT)
        table.add_row(symbol, *cells, str(len(own)), str(sum(each.skip is None for each in own)))
    console.table(table)
    for sentence in left_out(known):
        console.write(sentence)


def _print_skips(console: Console, windows: tuple[PlannedWindow, ...], known: CoverageTable) -> None:
    """One line per skip reason, with the number of windows per symbol, and why unless the symbol is left out."""
    from orchestrator.audit.wording import some

    for reason in SkipReason:
        own = [each for each in windows if each.skip is reason]
        if own:
            skips = Counter(each.window.symbol for each in own)
            which = some([f"{symbol} {count}" for symbol, count in skips.items()])
            why = "" if own[0].window.symbol in known.rejected else f"; the first: {own[0].detail}"
            console.write(f"skipped, {words_for(reason)}: {which}{why}")
