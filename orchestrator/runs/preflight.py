"""Checks a request against source, store, devices and broker before anything is written."""

import os
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from orchestrator.audit.wording import some
from orchestrator.bars.coverage import fetch_table, stored_table, table_of
from orchestrator.bars.zone import refuse_other_zone
from orchestrator.broker import embedded
from orchestrator.broker.requirements import check_for_run
from orchestrator.phases.trial_count import holdout_of
from orchestrator.planning.days import days_asked_for
from orchestrator.planning.feasible import refuse_few_symbols, refuse_infeasible
from orchestrator.runs.plugins import with_plugins
from orchestrator.runs.universe import symbols_in, with_universe
from orchestrator.runs.worker_process import ask
from schemas.config.bars import BarsConfig
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.coverage import Coverage, CoverageTable
from schemas.contract.device import Device
from schemas.contract.errors import RequestError
from schemas.contract.reason_words import tally
from schemas.contract.requests import PreflightReport, PreflightRequest
from schemas.contract.side import SideCoverage
from schemas.contract.universe import Universe
from schemas.contract.versions import artifact_versions
from schemas.contract.window import PlannedWindow, SkipReason
from schemas.files.atomic import sha256_of
from schemas.files.layout import BarsLayout, RunLayout
from schemas.files.trial_log import known_trials, trial_logs
from schemas.redis.client import connect
from schemas.redis.presences import read_presences
from schemas.store.mirror import Mirror, has_digest
from schemas.store.probe import checked_store

# What to change if the plan skips all windows for one reason; the details of the others name it.
FIXES: dict[SkipReason | None, str] = {
    SkipReason.NO_DATA: "choose --start-date and --end-date within the bars",
    SkipReason.INSUFFICIENT_HISTORY: "add earlier bars, or choose a later --start-date",
    SkipReason.INSUFFICIENT_FUTURE_DATA: "add later bars, or choose an earlier --end-date",
    SkipReason.INSUFFICIENT_SAMPLES: "give longer --window-days, or lower --min-rows or --horizon",
}


@dataclass(frozen=True)
class Prepared:
    """A checked request: the config with its symbols, and the devices; `risks` are of the broker.

    `passed_over` names files of the source that are ignored, `understood` has sentences on the others. `known` is the
    coverage of stored bars; None before an ingestion. `side` describes the side data, `universe` who belongs when.
    """

    config: RunConfig
    devices: tuple[Device, ...]
    passed_over: tuple[str, ...]
    understood: tuple[str, ...]
    known: CoverageTable | None
    risks: tuple[str, ...] = ()
    side: tuple[SideCoverage, ...] = ()
    universe: Universe | None = None


def prepare(config: RunConfig, *, read: bool = False, scratch: Path | None = None, idle: bool = False) -> Prepared:
    """Check settings, source, store, devices and broker; RequestError if the run is not possible. Writes nothing.

    `read`: judge the source's bars as well, as an ingestion would. `scratch`: see PreflightRequest. `idle`: see
    with_plugins.
    """
    if config.store is not None:
        checked_store(config.store)
    known = stored_bars(config) if config.skip_fetch else None
    if known is not None:
        refuse_other_zone(config, known)
    config, side = with_plugins(config, scratch, idle=idle, known=known)
    config, universe = with_universe(config)
    refuse_infeasible(config)
    if config.broker is not None:
        embedded.check(config.broker)
    days = days_asked_for(config)
    report = ask(
        "preflight",
        PreflightRequest(
            devices=config.devices if config.local_workers else None,
            bars=None if config.skip_fetch else config.bars(*days),
            symbols=config.symbols,
            read=read,
            data_dir=config.data_dir,
            trains=config.local_workers and not read,
            model_extras=config.training().model_extras,
            scratch=None if scratch is None else str(scratch),
        ),
        PreflightReport,
        config.plugins if config.own_source is not None else (),
    )
    risks = check_for_run(config.broker, report.devices) if config.broker is not None and not read else ()
    refuse_taken_devices(config, report.devices)
    if known is None and read:
        known = table_of(config.bars(*days), report.ingested)
    symbols = sorted(known.symbols.keys() | known.rejected.keys()) if config.skip_fetch and known else report.symbols
    every = not config.symbols and not config.skip_fetch
    config = config.model_copy(update={"symbols": symbols_in(universe, config, symbols), "every_symbol": every})
    refuse_few_symbols(config)
    return Prepared(config, report.devices, report.passed_over, report.understood, known, risks, side, universe)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder, not made yet, for what a preflight reads of a source; an ingestion moves it away.

    So a run that is killed after its ingestion leaves nothing of it.
    """
    folder = Path(tempfile.gettempdir()) / f"gurukul-bars-{secrets.token_hex(8)}"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def refuse_missing_extras(manifest: RunManifest) -> None:
    """RequestError names what this host lacks to finish a run: to train on its devices, and to read bars again.

    A run without local workers needs nothing here: its fleet reads, trains and judges.
    """
    config, known = manifest.config, manifest.bars
    if not config.local_workers:
        return
    layout = RunLayout.under(config.data_dir, manifest.run_id)
    reads = not config.skip_fetch and (known is None or bool(lost_bars(config, known.symbols.values(), layout)))
    request = PreflightRequest(
        devices=config.devices,
        bars=config.bars(*days_asked_for(config)) if reads else None,
        symbols=config.symbols,
        read=False,
        data_dir=config.data_dir,
        trains=True,
        model_extras=config.training().model_extras,
        opens_source=False,
    )
    ask("preflight", request, PreflightReport)


def stored_bars(config: RunConfig) -> CoverageTable:
    """Coverage of the symbols that the config names, or of all; RequestError names a missing symbol."""
    bars = BarsLayout.under(config.data_dir, config.interval)
    if (mirror := Mirror.of(config.data_dir, config.store)) is not None:
        fetch_table(mirror, bars, config.symbols)
    if not bars.coverage.is_file():
        raise RequestError(f"{bars.coverage} does not exist: no bars are stored; run once without --skip-fetch")
    table = stored_table(bars)
    for symbol in config.symbols:
        if symbol not in table.symbols and symbol not in table.rejected:
            near = get_close_matches(symbol, [*table.symbols, *table.rejected], 3)
            meant = f"did you mean {' or '.join(near)}? Else " if near else ""
            raise RequestError(f"symbol {symbol} is not in {bars.folder}; {meant}run once without --skip-fetch")
    wanted = set(config.symbols) or table.symbols.keys() | table.rejected.keys()
    table = CoverageTable(
        symbols={name: row for name, row in table.symbols.items() if name in wanted},
        rejected={name: row for name, row in table.rejected.items() if name in wanted},
        notes=table.notes,
    )
    if stale := stale_bars(config, table.symbols.values()):
        raise RequestError(f"{stale[0]} is missing or differs from {bars.coverage}; run once without --skip-fetch")
    return table


def stale_bars(config: RunConfig, coverage: Iterable[Coverage]) -> list[Path]:
    """Stored files that are missing or whose digest differs from `coverage`."""
    bars = BarsLayout.under(config.data_dir, config.interval)
    paths = {bars.bars(row.symbol): row.sha256 for row in coverage}
    return [path for path, sha256 in paths.items() if not path.is_file() or sha256_of(path) != sha256]


def lost_bars(config: RunConfig, coverage: Iterable[Coverage], run: RunLayout) -> list[Path]:
    """As `stale_bars`, without those that the run keeps: its workers read them by digest from the store, if it has one.

    Another host's stored bars may be newer than those of a run that was fetched there.
    """
    if config.store is not None:
        coverage = [row for row in coverage if not has_digest(run.kept_bars(row.sha256), row.sha256)]
    return stale_bars(config, coverage)


def refuse_taken_devices(config: BarsConfig, devices: Iterable[Device]) -> None:
    """RequestError if workers on the shared broker serve one of the devices already."""
    if config.broker is None:
        return
    with connect(config.broker) as redis:
        present = read_presences(redis)
        for device in devices:
            if device.name in present:
                raise RequestError(f"device {device.name} is served by workers already; use --no-local-workers")


def refuse_unwritable(folders: Mapping[str, str | None]) -> None:
    """RequestError names the flag whose folder cannot be made or written to."""
    for flag, folder in folders.items():
        if folder is not None:
            path = Path(folder).absolute()
            nearest = next(each for each in (path, *path.parents) if each.exists())
            if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
                raise RequestError(f"{flag} {folder}: {nearest} is not a folder that can be written to; choose another")


def refuse_other_versions(manifest: RunManifest) -> None:
    """Raise RequestError if a version that decides artifact bytes has changed since the run began."""
    for name, now in artifact_versions(*manifest.config.training().model_libraries).items():
        began = manifest.versions.get(name, now)
        if began != now:
            raise RequestError(
                f"run {manifest.run_id} began with {name} {began}, here is {now}: what it trains now would not match;"
                " install that version, or start a new run with --reuse"
            )


def refuse_held_out(config: RunConfig, windows: Sequence[PlannedWindow]) -> None:
    """RequestError if the plan scores days that an earlier run holds out, and this one is not the final one."""
    last = max((each.window.score_end for each in windows), default=None)
    if config.final or last is None:
        return
    found = holdout_of(known_trials(trial_logs(config)).trials, config.symbols, last)
    if found is not None:
        raise RequestError(
            f"run {found.run_id} holds out {some(found.symbols)} from {found.holdout_from} on, and these windows score"
            f" days up to {last}; give --holdout-from {found.holdout_from}, and --final as well to score them once"
        )


def refuse_tuned_days(config: RunConfig, windows: Sequence[PlannedWindow]) -> None:
    """RequestError if the plan scores a day of the study that chose the settings, or no ledger knows that study."""
    if config.study is None:
        return
    logs = trial_logs(config)
    tuned = [each for each in known_trials(logs).trials if each.study == config.study and each.number is not None]
    if not tuned:
        raise RequestError(
            f"{logs[0]} has no trial of study {config.study}; give the --trials-dir of the study, or leave out --study"
        )
    until = max(each.last for each in tuned)
    first = min((each.window.end for each in windows), default=until)
    if first < until:
        raise RequestError(
            f"study {config.study} chose settings by days before {until}, and these windows score days from {first} on;"
            " use the dates of its best.toml, or a later --start-date"
        )


def refuse_hopeless(windows: Sequence[PlannedWindow]) -> None:
    """RequestError, with a fix, if the plan already skips every window."""
    skips = Counter(each.skip for each in windows)
    if None not in skips:
        reasons = tally({each: count for each, count in skips.items() if each is not None})
        (most, _), *_ = skips.most_common(1)
        first = next(each for each in windows if each.skip is most)
        fix = FIXES.get(most, "") if "--" not in first.detail else ""
        raise RequestError(
            f"none of the {len(windows)} windows can be trained: {reasons}; {first.window.label}: {first.detail}"
            f"{fix and f'; {fix}'}"
        )
