"""Hash every file of a run again, compare its artifacts with `run.json`, and recompute its certificates."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from schemas.contract.artifact import METADATA_KINDS, RunManifest, RunRow, StudentMetadata, TeacherMetadata
from schemas.contract.errors import GurukulError
from schemas.contract.judgement import GateReport, Statistics, Validation
from schemas.contract.requests import RunQuestion, Verification
from schemas.contract.task import Role, Status
from schemas.files.atomic import sha256_of
from schemas.files.layout import CERTIFICATE, METADATA, PREDICTIONS, BarsLayout, RunLayout, side_file, universe_file
from schemas.files.run_files import read_model, read_rows
from workers.artifacts.reader import read_labels
from workers.bars.series import Ints
from workers.inspection.origin import Origins
from workers.inspection.run_lookup import manifest_of
from workers.judging.predictions import read_scored
from workers.learning.certificate import Spans, certify

# Inputs of a verdict outside the run's folder: bars, the trial log, another run.
ELSEWHERE = "data/"


def verify(question: RunQuestion) -> Verification:
    """Check every file of a run; `error` holds the reason if that is impossible."""
    try:
        manifest, layout = manifest_of(question)
        rows = {role: read_rows(layout, role) for role in (Role.TEACHER, Role.STUDENT)}
    except GurukulError as error:
        return Verification(error=str(error))
    origins = Origins(manifest, layout)
    broken: list[str] = []
    files = certificates = spans = 0
    for role, found in rows.items():
        for row in found:
            if row.status is not Status.SUCCESS:
                continue
            folder = layout.artifact(row.window_label, role)
            faults, count = _artifact(folder, row)
            if not faults and (fault := origins.fault(row)):
                faults.append(fault)
            broken += faults
            files += count
            if role is Role.TEACHER and not faults:
                checked, violations = _prove(folder, row)
                certificates, spans = certificates + 1, spans + checked
                broken += violations
            if role is Role.STUDENT and not faults:
                broken += _scored_after(folder, row)
        broken += _unknown_folders(layout, role, found)
    verdicts = list(_verdicts(layout))
    return Verification(
        windows=sum(row.status is Status.SUCCESS for row in rows[Role.STUDENT]),
        files=files + len(verdicts),
        certificates=certificates,
        spans=spans,
        broken=(*broken, *(fault for faults in verdicts for fault in faults), *_changed_inputs(manifest, layout)),
        notes=(*_bars_notes(manifest, layout), *_gone_inputs(manifest, layout)),
    )


def _artifact(folder: Path, row: RunRow) -> tuple[list[str], int]:
    """Faults of an artifact's files, and the number of files hashed."""
    metadata_path = folder / METADATA
    if not metadata_path.is_file():
        return [f"{metadata_path} is missing"], 0
    if sha256_of(metadata_path) != row.metadata_sha256:
        return [f"{metadata_path} is not what {row.role}_runs.json recorded"], 1
    recorded = read_model(metadata_path, METADATA_KINDS[row.role]).sha256
    present = {path.name for path in folder.iterdir()} - {METADATA}
    faults = [f"{folder / name} is missing" for name in sorted(recorded.keys() - present)]
    faults += [f"{folder / name} is in no metadata.json" for name in sorted(present - recorded.keys())]
    faults += [
        f"{folder / name} is not what metadata.json recorded"
        for name in sorted(recorded.keys() & present)
        if sha256_of(folder / name) != recorded[name]
    ]
    return faults, len(present) + 1


def _unknown_folders(layout: RunLayout, role: Role, rows: list[RunRow]) -> list[str]:
    """Artifacts of windows that have none in the run's rows. A failed window may have one: it was stored too late."""
    known = {row.window_label for row in rows if row.status is not Status.SKIPPED}
    stored = sorted((layout.folder / "windows").glob(f"*/{role}/{METADATA}"))
    return [f"{path} is in no row of {role}_runs.json" for path in stored if path.parent.parent.name not in known]


def _prove(folder: Path, row: RunRow) -> tuple[int, list[str]]:
    """Number of spans checked in a teacher's stored rows, and the leaks found."""
    metadata = read_model(folder / METADATA, TeacherMetadata)
    labels = read_labels(folder, metadata)
    spans = Spans(
        decided=_instants(labels["timestamp"]),
        ended=_instants(labels["label_end"]),
        ended_day=np.asarray(labels["label_end_session"].cast(pa.int32()), dtype=np.int64),
        part=labels["part"].to_pylist(),
        block=np.asarray(labels["block"], dtype=np.int64),
        fitted_by=np.asarray(labels["fitted_by"], dtype=np.int64),
    )
    certificate = certify(row.window_label, row.end, spans, metadata.held_out, [])
    return certificate.spans_checked, [f"{folder / CERTIFICATE}: {fault}" for fault in certificate.violations]


def _scored_after(folder: Path, row: RunRow) -> list[str]:
    """Faults of a student's scored rows: each must be decided on the window's end day or later."""
    days = read_scored(folder, read_model(folder / METADATA, StudentMetadata))["session"].to_pylist()
    early = sum(day < row.end for day in days)
    return [f"{folder / PREDICTIONS}: {early} rows are scored inside the window"] if early else []


def _instants(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()))


def _verdicts(layout: RunLayout) -> Iterator[list[str]]:
    """For each verdict of the run, its inputs that have changed since."""
    verdicts = {}
    if layout.validation.is_file():
        validation = read_model(layout.validation, Validation)
        verdicts[layout.validation] = validation.sha256 | validation.inputs
    if layout.statistics.is_file():
        statistics = read_model(layout.statistics, Statistics)
        verdicts[layout.statistics] = statistics.inputs
        for path in (layout.gate(each.name) for each in statistics.gates):
            if path.is_file():  # the line above reports a missing file
                verdicts[path] = read_model(path, GateReport).gate.inputs
    for path, inputs in verdicts.items():
        yield [
            f"{path}: {layout.folder / name} is not what it was computed from"
            for name, sha256 in inputs.items()
            if not name.startswith(ELSEWHERE)
            and (not (layout.folder / name).is_file() or sha256_of(layout.folder / name) != sha256)
        ]


def _inputs_beside(manifest: RunManifest, layout: RunLayout) -> Iterator[tuple[Path, str]]:
    """The stored side data and universe of a run, each with the digest that is its name."""
    config = manifest.config
    for file in config.plugged.side_files if config.plugged is not None else ():
        yield side_file(layout.data_dir, file.name, file.sha256), file.sha256
    if config.members is not None:
        yield universe_file(layout.data_dir, config.members), config.members


def _changed_inputs(manifest: RunManifest, layout: RunLayout) -> Iterator[str]:
    for path, sha256 in _inputs_beside(manifest, layout):
        if path.is_file() and sha256_of(path) != sha256:
            yield f"{path} is not what its name, its digest, states"


def _gone_inputs(manifest: RunManifest, layout: RunLayout) -> Iterator[str]:
    for path, _ in _inputs_beside(manifest, layout):
        if not path.is_file():
            yield f"{path} is not here; no window can be trained again without it"


def _bars_notes(manifest: RunManifest, layout: RunLayout) -> Iterator[str]:
    bars = BarsLayout(layout.folder.parents[1] / "bars" / manifest.config.interval)
    for symbol, coverage in manifest.bars.symbols.items() if manifest.bars is not None else ():
        path = bars.bars(symbol)
        if not path.is_file() or sha256_of(path) != coverage.sha256:
            state = "has been replaced" if path.is_file() else "is gone"
            yield f"{path} {state} since; `orchestrator replay` checks whether a window can still be trained again"
