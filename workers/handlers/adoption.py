"""With `--reuse`: the judgement of an earlier run on the same predictions, bars, settings, trials and code is adopted.

Imports no library that computes, so that a worker finds a judgement without them.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

from schemas.contract.artifact import RunManifest
from schemas.contract.errors import FileError
from schemas.contract.judgement import GateReport, Statistics, Validation
from schemas.contract.task import Role
from schemas.contract.trials import TrialCount
from schemas.contract.versions import installed_versions
from schemas.files.atomic import sha256_of, write_atomic
from schemas.files.layout import MANIFEST, RunLayout, audit_folder
from schemas.files.live_release import live_release
from schemas.files.run_files import read_model, read_rows
from schemas.files.sealed import read_sealed
from schemas.store.judged_inputs import judging_release_dir
from workers.artifacts.reuse import newest_first

logger = logging.getLogger(__name__)

CODE = ("schemas/config", "schemas/contract", "workers/judging", "workers/reporting", "workers/scoring")
LIBRARIES = ("altair", "arch", "pandas", "statsmodels", "vl-convert-python")
# Settings of where and how a run works, which change no number.
WHERE = frozenset({
    "run_id", "reuse", "skip_fetch", "data_dir", "release_dir", "trials_dir", "log_dir", "log_format", "json_summary",
    "broker", "broker_file", "broker_login", "devices", "local_workers", "min_devices", "max_devices", "priority",
    "telemetry", "telemetry_dir", "telemetry_buffer", "telemetry_delay", "signing_key", "secrets_file",
    "requests_per_minute", "window_limit", "every_symbol", "source", "store", "mlflow",
})  # fmt: skip
PLOTS, OF_TIME = "plots", ("phases", "devices")  # charts; those of what a run's work took

M = TypeVar("M", Validation, GateReport)


def scores_key(layout: RunLayout, manifest: RunManifest) -> str:
    """SHA-256 of all that decides a run's scores: its windows, bars and settings, code and versions of libraries."""
    rows = [
        (row.role, row.window_label, row.status, row.reason, row.metadata_sha256)
        for role in (Role.TEACHER, Role.STUDENT)
        for row in read_rows(layout, role)
    ]
    bars = manifest.bars.symbols if manifest.bars else {}
    return _digest(
        rows,
        {symbol: row.sha256 for symbol, row in sorted(bars.items())},
        manifest.config.model_dump(mode="json", exclude=set(WHERE)),
        manifest.periods_per_year,
        manifest.versions,
        _code(),
    )


def gate_key(layout: RunLayout, manifest: RunManifest, gate: str, validation: Validation) -> str:
    """SHA-256 of all that decides a gate: the scores, the trials counted, and the release that is live."""
    counted = read_model(layout.trials, TrialCount)
    # An earlier judgement counts only if there are days that it did not see.
    until = counted.judged_until if counted.judged_until and counted.judged_until < validation.last else None
    returns = [RunLayout(layout.folder.parent / each.run_id).daily_returns.is_file() for each in counted.others]
    release = live_release(judging_release_dir(layout, manifest.config), "production")
    live = RunLayout(layout.folder.parent / release.run_id).validation if release else None
    return _digest(
        gate, validation.key, counted.trials, [each.model_dump(mode="json") for each in counted.others], returns,
        [each.model_dump(mode="json") for each in counted.studies],
        until, counted.opened_from, release and release.model_dump(mode="json"),
        sha256_of(live) if live and live.is_file() else None,
    )  # fmt: skip


def adopt_scores(layout: RunLayout, key: str) -> tuple[Validation, str] | None:
    """Copy the scores of the newest judged run that have this key; returns them and that run's id, or None."""
    for donor, found in _equal(layout, "validation.json", Validation, key):
        if not _has(donor.folder, found.sha256):
            continue
        for name in found.sha256:
            write_atomic(layout.folder / name, (donor.folder / name).read_bytes())
        return found.model_copy(update={"run_id": layout.folder.name}), donor.folder.name
    return None


def adopt_gate(layout: RunLayout, gate: str, key: str) -> tuple[GateReport, str] | None:
    """The report of the newest judged run that has this key, with the digests of this run's files, and that run's id.

    None if there is none.
    """
    for donor, found in _equal(layout, f"statistics/{gate}.json", GateReport, key):
        own = {path.name: sha256_of(path) for path in (layout.validation, layout.trials)}
        inputs = found.gate.inputs | {name: own[name] for name in found.gate.inputs if name in own}
        return found.model_copy(update={"gate": found.gate.model_copy(update={"inputs": inputs})}), donor.folder.name
    return None


def adopt_plots(layout: RunLayout, release_dir: Path) -> tuple[dict[str, str], str] | None:
    """Copy the charts of a run whose gates this one adopted, but those of its own time.

    Returns the digests of the files by their name in the bundle, and that run's id; None if a gate was judged
    anew, or if that run's bundle is gone or changed.
    """
    names = read_model(layout.statistics, Statistics).inputs
    keys = {name: read_model(layout.folder / name, GateReport).key for name in names}
    (first, key), *others = keys.items()
    for donor, _ in _equal(layout, first, GateReport, key):
        bundle = audit_folder(release_dir, donor.folder.name)
        is_other = any(_read(donor, *each, GateReport) is None for each in others)
        if is_other or not (bundle / MANIFEST).is_file():
            continue
        recorded = read_sealed(bundle).sha256.items()
        plots = {name: digest for name, digest in recorded if Path(name).parent == Path(PLOTS)}
        if not plots or not _has(bundle, plots):
            continue
        kept = {name: digest for name, digest in plots.items() if Path(name).stem not in OF_TIME}
        for name in kept:
            write_atomic(audit_folder(release_dir, layout.folder.name) / name, (bundle / name).read_bytes())
        return kept, donor.folder.name
    return None


def _equal(layout: RunLayout, name: str, kind: type[M], key: str) -> Iterator[tuple[RunLayout, M]]:
    """Other runs under the same data folder whose file `name` has this key and is as judged, the newest first."""
    for folder in newest_first(layout.folder.parent):
        donor = RunLayout(folder)
        if folder != layout.folder and (found := _read(donor, name, key, kind)) is not None and _is_as_judged(donor):
            yield donor, found


def _read(donor: RunLayout, name: str, key: str, kind: type[M]) -> M | None:
    """The model in a file if it has this key; the key is searched first, because most files have another."""
    path = donor.folder / name
    try:
        if not path.is_file() or key.encode() not in path.read_bytes():
            return None
        found = read_model(path, kind)
    except (OSError, FileError) as error:
        logger.warning("%s is damaged and not adopted: %s", path, " ".join(str(error).split()))
        return None
    return found if found.key == key else None


def _is_as_judged(donor: RunLayout) -> bool:
    """Whether scores and gates are those that `statistics.json` was made from."""
    if not donor.statistics.is_file():
        return False
    statistics = read_model(donor.statistics, Statistics)
    scores = donor.validation.name
    judged = {gate.inputs[scores] for gate in statistics.gates}
    if judged == {sha256_of(donor.validation)} and _has(donor.folder, statistics.inputs):
        return True
    logger.warning("%s was changed after it was judged; its judgement is not adopted", donor.folder)
    return False


def _has(folder: Path, digests: Mapping[str, str]) -> bool:
    """Whether a folder has all of these files with these digests; a name that leads out of it is none of its files."""
    return all(
        not Path(name).is_absolute()
        and ".." not in Path(name).parts
        and (folder / name).is_file()
        and sha256_of(folder / name) == digest
        for name, digest in digests.items()
    )


@cache
def _code() -> dict[str, str]:
    """Versions of the libraries that judge, and the digest of the code that does.

    Of its bytes: every process computes it, and syntax trees, as of `code_digest`, take 15 times as long (0.15 s).
    """
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(path for folder in CODE for path in (root / folder).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\n" + path.read_bytes())
    return installed_versions(*LIBRARIES) | {"judging": digest.hexdigest()}


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
