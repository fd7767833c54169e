"""`orchestrator approve`, `reject`, `deploy`, `rollback`, `releases` and `predict`: from a recommendation to use."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.options import fail
from orchestrator.terminal.console import Console
from schemas.config.run import ReleaseConfig
from schemas.contract.errors import GurukulError, RequestError

RunArgument = Annotated[str, typer.Argument(help="The run.")]
By = Annotated[str, typer.Option(help="Your name, as the log will have it.")]
OwnName = Annotated[str | None, typer.Option("--by", help="Your name; none: GURUKUL_USER, or your account.")]
Note = Annotated[str, typer.Option(help="Anything to remember with it.")]
DataDir = Annotated[str | None, typer.Option(help="Folder of bars and models; none: data.")]
ReleaseDir = Annotated[str | None, typer.Option(help="Folder of audit bundles and releases; none: release.")]
Config = Annotated[Path | None, typer.Option(help="TOML file with any of these settings.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Symbols = Annotated[str | None, typer.Option(help="Symbols, comma separated; none: all that it can serve.")]

NOT_ALL = 3
SUFFIXES = (".csv", ".json", ".parquet")
SHOWN_DIGITS = 12


def approve(
    run_id: RunArgument,
    by: By,
    note: Note = "",
    override: Annotated[
        str | None, typer.Option(help="Why to approve what is not recommended; recorded, and shown in the release.")
    ] = None,
    symbols: Symbols = None,
    require_other_approver: Annotated[
        bool | None, typer.Option("--require-other-approver", help="Refuse whoever trained the run.")
    ] = None,
    data_dir: DataDir = None,
    release_dir: ReleaseDir = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Approve a run, so that it can be deployed. What is not recommended needs --override.

    \b
    Example:
      orchestrator approve live_candidate_20260102_030405 \\
        --by asha --note "gates read, plots looked at"
    """
    from orchestrator.releases.approval import approve as record

    try:
        settings = _settings(
            config, data_dir=data_dir, release_dir=release_dir, require_other_approver=require_other_approver
        )
        line = record(
            settings, run_id, _name(by), note=note, override=_reason(override), symbols=_split(symbols),
        )  # fmt: skip
    except (GurukulError, OSError) as error:
        raise fail(error) from None
    _said(line, f"{run_id} is approved by {by}; next: orchestrator deploy {run_id} --to staging", as_json)


def reject(
    run_id: RunArgument,
    by: By,
    note: Note = "",
    data_dir: DataDir = None,
    release_dir: ReleaseDir = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Reject a run, which takes back an approval. What is live of it stays so until it is rolled back.

    \b
    Example:
      orchestrator reject live_candidate_20260102_030405 \\
        --by asha --note "two symbols carry it all"
    """
    from orchestrator.releases.approval import reject as record

    try:
        line = record(_settings(config, data_dir=data_dir, release_dir=release_dir), run_id, _name(by), note=note)
    except (GurukulError, OSError) as error:
        raise fail(error) from None
    _said(line, f"{run_id} is rejected by {by}", as_json)


def deploy(
    run_id: RunArgument,
    to: Annotated[str, typer.Option(help="staging or production.")],
    by: OwnName = None,
    note: Note = "",
    min_staging_hours: Annotated[
        float | None, typer.Option(help="Hours in staging that production needs; none: 24.")
    ] = None,
    signing_key: Annotated[
        str | None, typer.Option(help="PEM file of an Ed25519 private key to sign the release with.")
    ] = None,
    data_dir: DataDir = None,
    release_dir: ReleaseDir = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make an approved run's students live: every digest and golden vector is checked, then one link is switched.

    \b
    Example:
      orchestrator deploy live_candidate_20260102_030405 --to staging
    """
    from orchestrator.releases.deployment import deploy as switch
    from orchestrator.runs.identity import account

    console = Console(stderr=as_json)
    try:
        settings = _settings(
            config, data_dir=data_dir, release_dir=release_dir, min_staging_hours=min_staging_hours,
            signing_key=signing_key,
        )  # fmt: skip
        with console.status("checking"):
            line = switch(settings, run_id, _environment("--to", to), by or account(), note)
    except (GurukulError, OSError) as error:
        raise fail(error) from None
    _said(line, f"{line.entry.release_id} is live in {to}", as_json)


def rollback(
    environment: Annotated[str, typer.Argument(help="staging or production.")],
    by: OwnName = None,
    note: Note = "",
    release_dir: ReleaseDir = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make live again what the newest deployment replaced. Once more: what the one before replaced.

    \b
    Example:
      orchestrator rollback production --note "fills look wrong"
    """
    from orchestrator.releases.deployment import rollback as switch
    from orchestrator.runs.identity import account

    try:
        settings = _settings(config, release_dir=release_dir)
        line = switch(settings, _environment("ENVIRONMENT", environment), by or account(), note)
    except (GurukulError, OSError) as error:
        raise fail(error) from None
    _said(line, f"{line.entry.release_id} is live in {environment} again", as_json)


def releases(
    release_dir: ReleaseDir = None,
    public_key: Annotated[
        str | None, typer.Option(help="PEM file of the key that signed.", envvar="GURUKUL_PUBLIC_KEY")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show who approved, deployed and rolled back what, and what is live. Exit code 3 if log or releases were changed.

    \b
    Example:
      orchestrator releases
    """
    from orchestrator.releases.report import report

    try:
        found = report(_settings(config, release_dir=release_dir).release_dir, public_key)
    except (GurukulError, OSError) as error:
        raise fail(error) from None
    if as_json:
        typer.echo(json.dumps(found, allow_nan=False))
    else:
        _show_releases(Console(), found)
    raise typer.Exit(NOT_ALL if found["faults"] else 0)


def predict(
    env: Annotated[str, typer.Option(help="staging or production: whose students to ask.")],
    symbols: Symbols = None,
    source: Annotated[
        str | None, typer.Option(help="csv:DIR, parquet:DIR or sample; none: stored bars.", show_default=False)
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="Use bars up to this day, YYYY-MM-DD; none: all there are.")] = None,
    max_age_days: Annotated[
        int | None, typer.Option(min=0, help="Days that a newest bar may be old; none: 5, of intraday bars 1.")
    ] = None,
    out: Annotated[str | None, typer.Option(help="File to write to: .csv, .json or .parquet.")] = None,
    data_dir: DataDir = None,
    release_dir: ReleaseDir = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Score the newest bar of each symbol with the deployed students.

    A symbol whose bars are stale, too short or not there is refused by name, the others are scored, and the exit code
    is 3.

    \b
    Example:
      orchestrator predict --env production --symbols TCS,INFY \\
        --as-of 2026-01-02 --out scores.csv
    """
    from orchestrator.releases.deployment import standing_of
    from orchestrator.runs.worker_process import ask
    from schemas.contract.release import Predictions, PredictRequest
    from schemas.files.layout import ReleaseLayout

    try:
        settings = _settings(config, data_dir=data_dir, release_dir=release_dir)
        warning = standing_of(ReleaseLayout(Path(settings.release_dir)), _environment("--env", env))
        if out is not None and Path(out).suffix not in SUFFIXES:
            raise RequestError(f"--out {out}: write to {', '.join(SUFFIXES)}")
        request = PredictRequest(
            release_dir=str(Path(settings.release_dir).absolute()),
            data_dir=str(Path(settings.data_dir).absolute()),
            environment=_environment("--env", env),
            symbols=_split(symbols),
            source=_source(source),
            as_of=_day(as_of),
            max_age_days=max_age_days,
            out=out and str(Path(out).absolute()),
        )
        found = ask("predict", request, Predictions)
        if warning:
            typer.echo(f"orchestrator: {warning}", err=True)
    except (GurukulError, OSError) as error:
        raise fail(error) from None
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show_predictions(Console(), found)
    raise typer.Exit(NOT_ALL if found.refused else 0)


def _settings(config: Path | None, **flags: Any) -> ReleaseConfig:
    from orchestrator.runs.settings import resolve

    return resolve(ReleaseConfig, flags, config)


def _environment(flag: str, name: str) -> Any:
    from schemas.contract.release import ENVIRONMENTS

    if name not in ENVIRONMENTS:
        raise RequestError(f"{flag} {name!r}: it is staging or production")
    return name


def _name(by: str) -> str:
    if not by.strip():
        raise RequestError("--by is empty: an approval needs a name")
    return by.strip()


def _reason(override: str | None) -> str | None:
    if override is not None and not override.strip():
        raise RequestError("--override is empty: it must say why")
    return override


def _split(symbols: str | None) -> tuple[str, ...]:
    from schemas.contract.identifiers import check_symbol

    if symbols is None:
        return ()
    names = tuple(dict.fromkeys(part.strip() for part in symbols.split(",") if part.strip()))
    if not names:
        raise RequestError("--symbols names no symbol")
    try:
        return tuple(map(check_symbol, names))
    except ValueError as error:
        raise RequestError(f"--symbols: {error}") from None


def _source(source: str | None) -> str | None:
    from schemas.config.sources import absolute_source

    if source is None:
        return None
    try:
        return absolute_source(source)
    except ValueError as error:
        raise RequestError(f"--source: {error}") from None


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise RequestError(f"--as-of {text!r} is not a day; write YYYY-MM-DD") from None


def _said(line: Any, sentence: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(line.entry.model_dump(mode="json") | {"sha256": line.sha256}))
    else:
        Console().write(sentence)


def _show_releases(console: Console, found: dict[str, Any]) -> None:
    table = Table()
    for heading in ("", "time (UTC)", "what", "where", "release or run", "by"):
        table.add_column(heading, overflow="fold")
    for entry in found["entries"]:
        if entry["action"] in ("deploying", "rolling back"):
            continue
        time = datetime.fromisoformat(entry["time"])
        what = entry["action"] + (" (override)" if entry["override"] else "")
        table.add_row(
            str(entry["seq"]), f"{time:%Y-%m-%d %H:%M}", what, entry["environment"] or "",
            entry["release_id"] or entry["run_id"], entry["who"],
        )  # fmt: skip
    if found["entries"]:
        console.print(table)
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


def _show_predictions(console: Console, found: Any) -> None:
    table = Table()
    for heading in ("symbol", "bar", "probability", "trade above", "trade"):
        table.add_column(heading, justify="left" if heading in ("symbol", "bar") else "right", overflow="fold")
    for each in found.predictions:
        above = "never" if each.trade_above is None else f"{each.trade_above:.4f}"
        bar = (
            f"{each.session}" if f"{each.bar:%H:%M}" in ("00:00", "18:30") else f"{each.session} ({each.bar:%H:%M} UTC)"
        )
        seen = " (in sample)" if each.in_sample else ""
        table.add_row(each.symbol, bar + seen, f"{each.probability:.4f}", above, "yes" if each.trade else "no")
    if found.predictions:
        console.print(table)
    for refusal in found.refused:
        console.print(Text(f"refused: {refusal.symbol}: {refusal.reason}"), soft_wrap=not console.is_terminal)
    console.write(
        f"{len(found.predictions)} scored, {len(found.refused)} refused by release {found.release_id},"
        f" in {found.seconds:.2f} s"
    )
