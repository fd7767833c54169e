"""Train one window of a stored run again in a temporary folder, and compare every file."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from schemas.config.target import CLASS
from schemas.contract.artifact import METADATA_KINDS, RunManifest, StudentMetadata, TeacherMetadata
from schemas.contract.device import DeviceKind
from schemas.contract.errors import DataError, GurukulError, RequestError
from schemas.contract.requests import Compared, Replay, WindowQuestion
from schemas.contract.task import Role, WindowTask
from schemas.contract.versions import artifact_versions
from schemas.contract.window import Window
from schemas.files.atomic import sha256_of
from schemas.files.layout import METADATA, BarsLayout, RunLayout
from schemas.files.run_files import read_model
from schemas.store.mirror import Mirror, has_digest
from workers.devices.discovery import find_devices
from workers.devices.pinning import current_device, pinned_environment
from workers.inspection.run_lookup import manifest_of, window_of
from workers.judging.predictions import read_scored
from workers.learning.skip import Skip
from workers.plugins.loading import use_plugins
from workers.side.store import use_side_of

# Largest difference of a probability, or of a value in deviations of the labels, between a GPU and another device,
# whose histograms add up in another order.
GPU_TOLERANCE = 1e-3


def replay(question: WindowQuestion) -> Replay:
    """Retrain teacher and student from the manifest and stored bars; `error` holds the reason if that is impossible."""
    try:
        manifest, layout = manifest_of(question)
        return _replay(manifest, layout, window_of(question, manifest))
    except (GurukulError, Skip) as error:
        return Replay(error=str(error))


def _replay(manifest: RunManifest, layout: RunLayout, window: Window) -> Replay:
    on_gpu = any(device.kind is DeviceKind.GPU for device in manifest.devices)
    os.environ.update(pinned_environment(find_devices("auto" if on_gpu else "cpu:1x1")[0]))
    from workers.handlers.train import train_student, train_teacher  # after the environment is pinned

    use_plugins(manifest.config.plugins)
    use_side_of(layout.data_dir)
    settings = manifest.config.training()
    windows = {Role.TEACHER: window.in_scope(settings.scope), Role.STUDENT: window.in_scope(settings.scope_of_students)}
    then = {role: _stored(layout.artifact(each.label, role), role) for role, each in windows.items()}
    bars = BarsLayout(layout.folder.parents[1] / "bars" / settings.interval)
    now: dict[Role, TeacherMetadata | StudentMetadata] = {}
    files, differences = [], {}
    with tempfile.TemporaryDirectory(prefix="gurukul-replay-") as folder:
        read = {
            symbol: _bars_then(manifest, layout, bars, symbol) for each in then.values() for symbol in each.label_counts
        }
        linked = BarsLayout.under(folder, settings.interval)
        linked.folder.mkdir(parents=True)
        for symbol, path in read.items():
            linked.bars(symbol).symlink_to(path.absolute())
        for role, train in ((Role.TEACHER, train_teacher), (Role.STUDENT, train_student)):
            label = windows[role].label
            task = WindowTask(
                run_id=manifest.run_id,
                telemetry=False,
                role=role,
                window=windows[role],
                settings=settings,
                bars={symbol: sha256_of(read[symbol]) for symbol in then[role].label_counts},
            )
            train(task, Path(folder))
            stored, again = layout.artifact(label, role), RunLayout.under(folder, manifest.run_id).artifact(label, role)
            now[role] = _stored(again, role)
            names = sorted({path.name for each in (stored, again) for path in each.iterdir()})
            files += [
                Compared(path=f"windows/{label}/{role}/{name}", stored=_hash(stored / name), again=_hash(again / name))
                for name in names
            ]
            if role is Role.STUDENT:
                differences = differences_of(stored, then[role], again, now[role])
    return Replay(
        device=current_device().name,
        files=tuple(files),
        then_now=_then_now(then, now),
        differences=differences,
        target=settings.target,
        tolerance=GPU_TOLERANCE if on_gpu else None,
    )


def _stored(folder: Path, role: Role) -> TeacherMetadata | StudentMetadata:
    if not (folder / METADATA).is_file():
        raise RequestError(f"{folder} holds no finished {role}; there is nothing to compare with")
    return read_model(folder / METADATA, METADATA_KINDS[role])


def _bars_then(manifest: RunManifest, layout: RunLayout, bars: BarsLayout, symbol: str) -> Path:
    """The bars that the run read: stored now, kept by the run, or in its store; else those of today."""
    path = bars.bars(symbol)
    known = manifest.bars.symbols.get(symbol) if manifest.bars is not None else None
    if known is not None and not has_digest(path, known.sha256):
        kept, mirror = layout.kept_bars(known.sha256), Mirror.of(layout.data_dir, manifest.config.store)
        with suppress(GurukulError, OSError):
            if mirror is not None:
                mirror.pull_bars(bars, kept, known.sha256)
        if has_digest(kept, known.sha256):
            return kept
    if not path.is_file():
        raise RequestError(f"{path} is gone: the bars that the window was trained on are needed to train it again")
    return path


def _hash(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None


def _then_now(
    then: dict[Role, TeacherMetadata | StudentMetadata], now: dict[Role, TeacherMetadata | StudentMetadata]
) -> dict[str, tuple[str, str]]:
    """Inputs of the artifacts that have changed: versions, and bars up to the last one read; name -> (then, now)."""
    versions = artifact_versions(*then[Role.TEACHER].settings.model_libraries)
    recorded = then[Role.TEACHER].versions
    found = {
        name: (recorded.get(name, "none"), versions.get(name, "none"))
        for name in sorted(recorded.keys() | versions.keys())
        if recorded.get(name) != versions.get(name)
    }
    for role in then:
        for symbol, digest in then[role].bars_sha256.items():
            if now[role].bars_sha256[symbol] != digest:
                found[f"bars of {symbol}"] = (digest, now[role].bars_sha256[symbol])
    return found


def differences_of(
    stored: Path, then: TeacherMetadata | StudentMetadata, again: Path, now: TeacherMetadata | StudentMetadata
) -> dict[str, float]:
    """Largest difference of each stored prediction; empty where the rows differ, or the stored file was changed.

    Values are in standard deviations of the scored labels, so that their unit changes nothing.
    """
    assert isinstance(then, StudentMetadata)
    assert isinstance(now, StudentMetadata)
    try:
        before, after = read_scored(stored, then), read_scored(again, now)
    except DataError:  # the table of files shows it
        return {}
    if any(before[name] != after[name] for name in ("symbol", "timestamp")):
        return {}
    unit = 1.0 if then.settings.target == CLASS else float(before["label"].to_numpy().std()) or 1.0
    return {
        name: float(np.abs(before[name].to_numpy() - after[name].to_numpy()).max()) / unit
        for name in ("student", "alone", "teacher", "prior")
    }
