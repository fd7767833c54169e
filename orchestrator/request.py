"""What is asked for, checked against what is there, before anything is written."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator import broker as brokers
from orchestrator.planning import plan
from orchestrator.preflight import ask
from schemas.artifacts import RunManifest
from schemas.config import RunConfig
from schemas.coverage import Coverage, CoverageTable
from schemas.device import Device
from schemas.errors import RequestError
from schemas.layout import BarsLayout, sha256_of
from schemas.preflight import PreflightRequest
from schemas.rows import read_model
from schemas.versions import artifact_versions
from schemas.window import PlannedWindow
from schemas.wire import presence_key


@dataclass(frozen=True)
class Prepared:
    """A request that can be run: the config with its symbols, their coverage, devices, plan, and what was not read."""

    config: RunConfig
    coverage: tuple[Coverage, ...]
    devices: tuple[Device, ...]
    plan: tuple[PlannedWindow, ...]
    passed_over: tuple[str, ...]


def prepare(config: RunConfig) -> Prepared:
    """Look at source, store, devices and broker; RequestError if the run cannot be done. Writes nothing."""
    if config.broker is not None:
        brokers.check(config.broker)
    report = ask(
        PreflightRequest(
            devices=config.devices if config.local_workers else None,
            read_source=not config.skip_fetch,
            source=config.source,
            interval=config.interval,
            timezone=config.timezone,
            symbols=config.symbols,
        )
    )
    coverage = stored_coverage(config) if config.skip_fetch else report.coverage
    refuse_taken_devices(config, report.devices)
    config = config.model_copy(update={"symbols": tuple(row.symbol for row in coverage)})
    planned = plan(config, {row.symbol: row for row in coverage})
    if not planned:
        raise RequestError(
            f"{config.start_date} to {config.end_date} holds no window of a week or more; move --end-date"
        )
    return Prepared(config, coverage, report.devices, tuple(planned), report.passed_over)


def stored_coverage(config: RunConfig) -> tuple[Coverage, ...]:
    """What the bar store holds of the wanted symbols (all, if none is named); RequestError names a missing one."""
    bars = BarsLayout.under(config.data_dir, config.interval)
    if not bars.coverage.is_file():
        raise RequestError(f"{bars.coverage} does not exist: no bars are stored; run once without --skip-fetch")
    table = read_model(bars.coverage, CoverageTable).symbols
    for symbol in config.symbols:
        if symbol not in table:
            raise RequestError(f"symbol {symbol} is not in {bars.folder}; run once without --skip-fetch")
    coverage = tuple(table[symbol] for symbol in config.symbols or sorted(table))
    if stale := stale_bars(config, coverage):
        raise RequestError(f"{stale[0]} is missing or not what {bars.coverage} says; run once without --skip-fetch")
    return coverage


def stale_bars(config: RunConfig, coverage: Iterable[Coverage]) -> list[Path]:
    """Stored files that are missing or not the bytes that `coverage` names."""
    bars = BarsLayout.under(config.data_dir, config.interval)
    paths = {bars.bars(row.symbol): row.sha256 for row in coverage}
    return [path for path, sha256 in paths.items() if not path.is_file() or sha256_of(path) != sha256]


def refuse_taken_devices(config: RunConfig, devices: Iterable[Device]) -> None:
    """RequestError if workers on the shared broker serve one of the devices already."""
    if config.broker is None:
        return
    with brokers.connect(config.broker) as redis:
        for device in devices:
            if redis.exists(presence_key(device.name)):
                raise RequestError(f"device {device.name} is served by workers already; use --no-local-workers")


def refuse_unwritable(config: RunConfig) -> None:
    """RequestError names the flag whose folder cannot be made or written to."""
    for flag, folder in {
        "--data-dir": config.data_dir,
        "--release-dir": config.release_dir,
        "--log-dir": config.log_dir,
        "--telemetry-dir": config.telemetry_dir,
    }.items():
        if folder is not None:
            path = Path(folder).absolute()
            nearest = next(each for each in (path, *path.parents) if each.exists())
            if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
                raise RequestError(f"{flag} {folder}: {nearest} is not a folder that can be written to; choose another")


def refuse_other_versions(manifest: RunManifest) -> None:
    """RequestError names the first of the versions that decide an artifact's bytes in which the run began otherwise."""
    for name, now in artifact_versions().items():
        began = manifest.versions.get(name, now)
        if began != now:
            raise RequestError(
                f"run {manifest.run_id} began with {name} {began}, here is {now}: what it trains now would not match;"
                " install that version, or start a new run with --reuse"
            )


def refuse_hopeless(prepared: Prepared) -> None:
    """RequestError if the plan already skips every window."""
    skips = Counter(planned.skip for planned in prepared.plan)
    if None not in skips:
        reasons = ", ".join(f"{count} {reason}" for reason, count in skips.items())
        raise RequestError(
            f"none of the {len(prepared.plan)} windows can be trained: {reasons}; `plan` shows which and why"
        )
