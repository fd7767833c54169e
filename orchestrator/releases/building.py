"""Builds a release from an approved run: its students, what they need, golden vectors, and a signed manifest.

It is a function of run and approval, so that staging and production, or a second try, hold the same bytes.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from orchestrator.audit.signed_manifest import check, is_signed_by, seal
from orchestrator.bars.zone import zone_of
from orchestrator.releases.approval import judged_run
from orchestrator.releases.history import Line
from orchestrator.releases.model_card import model_card
from orchestrator.runs.worker_process import ask
from schemas.config.file_options import FileOptions
from schemas.config.release import ReleaseConfig
from schemas.contract.artifact import RunManifest, RunRow, StudentMetadata
from schemas.contract.errors import RequestError
from schemas.contract.judgement import Recommendation
from schemas.contract.release import (
    GOLDEN_TOLERANCE,
    Entry,
    GoldenCheck,
    GoldenChecked,
    GoldenMade,
    GoldenRequest,
    Release,
    Served,
)
from schemas.contract.task import Role, Status
from schemas.contract.window import PANEL, WARMUP_BARS
from schemas.files.atomic import TEMPORARY_PREFIX, remove_temporary, sha256_of, write_atomic
from schemas.files.jsonl_log import flush_folder
from schemas.files.layout import (
    GOLDEN,
    METADATA,
    MODEL_CARD,
    RELEASE,
    STUDENTS,
    ReleaseLayout,
    RunLayout,
    is_served,
)
from schemas.files.modes import FOLDER_MODE
from schemas.files.run_files import read_model, read_rows, write_model

ID_DIGITS = 8


def release_id_of(run_id: str, approval: Line) -> str:
    """The run's name and the first digits of the approval's line: another approval makes another release."""
    return f"{run_id}.{approval.sha256[:ID_DIGITS]}"


def built(config: ReleaseConfig, approval: Line) -> str:
    """Return the id of the approved run's release; it is built if it does not exist yet, and checked either way.

    RequestError if the run has changed since its approval, no student can serve, or a golden vector is not reproduced.
    """
    run_id = approval.entry.run_id
    release_id = release_id_of(run_id, approval)
    folder = ReleaseLayout(Path(config.release_dir)).release(release_id)
    judged = judged_run(config, run_id)
    if judged.audit_sha256 != approval.entry.audit_sha256:
        raise RequestError(f"{run_id} was judged again after its approval; approve it again")
    students, basis = students_of(judged.manifest, judged.layout, approval.entry)
    if not folder.is_dir():
        _build(config, approval, release_id, students, basis, judged.manifest, judged.layout, folder)
    refuse_changed(folder, config.data_dir)
    if config.signing_key is not None and not is_signed_by(folder, config.signing_key):
        raise RequestError(f"{release_id} was built before without this signing key; approve {run_id} again to sign it")
    return release_id


def students_of(manifest: RunManifest, layout: RunLayout, approval: Entry) -> tuple[dict[str, RunRow], str]:
    """The student that serves each symbol, and why: the one of the symbol's latest window that was trained.

    All symbols are served, because they were judged together; if the approval names symbols, only those. RequestError
    if no symbol is left, or a named symbol has no student.
    """
    rows = [row for row in read_rows(layout, Role.STUDENT) if row.status is Status.SUCCESS]
    latest: dict[str, RunRow] = {}
    for row in sorted(rows, key=lambda row: row.end):
        latest |= dict.fromkeys(_scored_by(layout, row), row)
    allowed = set(latest)
    basis = "all symbols with a student"
    if approval.recommendation is not Recommendation.PROMOTE:
        basis = f"{basis}, by override of {approval.who}: {approval.override}"
    if approval.symbols:
        basis = f"symbols named by {approval.who}, of {basis}"
        if missing := [symbol for symbol in approval.symbols if symbol not in allowed & latest.keys()]:
            raise RequestError(f"{missing[0]} of {manifest.run_id} cannot be served: it is not among {basis}")
        allowed = set(approval.symbols)
    chosen = {symbol: row for symbol, row in sorted(latest.items()) if symbol in allowed}
    if not chosen:
        raise RequestError(f"{manifest.run_id} has no student to serve ({basis}: none); approve with --override")
    return chosen, f"{basis}; of each the student of its latest window that ended in success"


def _scored_by(layout: RunLayout, row: RunRow) -> Iterable[str]:
    """The symbols that a student is scored on."""
    if row.symbol != PANEL:
        return (row.symbol,)
    return read_model(layout.artifact(row.window_label, Role.STUDENT) / METADATA, StudentMetadata).priors


def refuse_changed(folder: Path, data_dir: str) -> None:
    """Raise RequestError unless a release matches its manifest and its students reproduce its golden vectors.

    `data_dir` holds the record of its run, if it is stored here.
    """
    release_id = folder.name
    if faults := check(folder, {"release_id": release_id}).faults:
        raise RequestError(f"release {release_id} is not what was built: {faults[0]}; nothing was switched")
    release = read_model(folder / RELEASE, Release, remedy="approve its run again, which makes another")
    if release.release_id != release_id or release.golden_sha256 != sha256_of(folder / GOLDEN):
        raise RequestError(f"{folder / RELEASE} is another release's; nothing was switched")
    found = ask(
        "golden-check",
        GoldenCheck(release=str(folder.absolute()), data_dir=str(Path(data_dir).absolute())),
        GoldenChecked,
    )
    if not found.vectors or found.largest_difference > GOLDEN_TOLERANCE:
        raise RequestError(
            f"release {release_id}: {found.vectors} golden vectors differ by up to {found.largest_difference:g},"
            f" {GOLDEN_TOLERANCE:g} is allowed; nothing was switched"
        )


def _build(
    config: ReleaseConfig, approval: Line, release_id: str, students: dict[str, RunRow], basis: str,
    manifest: RunManifest, layout: RunLayout, folder: Path,
) -> None:  # fmt: skip
    made = _golden(config, manifest, layout, students)
    assert made.golden is not None
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_temporary(folder.parent)
    temporary = folder.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    temporary.mkdir(FOLDER_MODE)
    try:
        copied = {
            row.window_label: _copied(layout, row, temporary / STUDENTS)
            for row in {row.window_label: row for row in students.values()}.values()
        }
        served = {symbol: copied[row.window_label] for symbol, row in students.items()}
        latest = max(students.values(), key=lambda row: row.end)
        unseen = copied[latest.window_label] if latest.symbol == PANEL and not approval.entry.symbols else None
        write_atomic(temporary / GOLDEN, json.dumps(made.golden.model_dump(mode="json"), allow_nan=False) + "\n")
        release = _release(approval, release_id, served, unseen, basis, manifest, made, sha256_of(temporary / GOLDEN))
        write_model(temporary / RELEASE, release)
        write_atomic(temporary / MODEL_CARD, model_card(release, manifest, layout))
        seal(temporary, {"release_id": release_id}, config.signing_key)
        for each in (temporary, *(path for path in temporary.rglob("*") if path.is_dir())):
            flush_folder(each)
        os.rename(temporary, folder)  # noqa: PTH104
        flush_folder(folder.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _golden(config: ReleaseConfig, manifest: RunManifest, layout: RunLayout, students: dict[str, RunRow]) -> GoldenMade:
    assert manifest.bars is not None
    interval, rows = manifest.config.interval, manifest.bars.symbols
    request = GoldenRequest(
        data_dir=str(Path(config.data_dir).absolute()),
        interval=interval,
        bars={symbol: str(layout.bars_read(interval, symbol, rows[symbol].sha256).absolute()) for symbol in rows},
        students={
            symbol: str(layout.artifact(row.window_label, Role.STUDENT).absolute()) for symbol, row in students.items()
        },
    )
    return ask("golden-make", request, GoldenMade, manifest.config.plugins)


def _copied(layout: RunLayout, row: RunRow, students: Path) -> Served:
    """Copy a student's files below `students`; RequestError names a file whose digest is not the recorded one."""
    source = layout.artifact(row.window_label, Role.STUDENT)
    target = students / (row.window_label if row.symbol == PANEL else row.symbol)
    content = {METADATA: _bytes(source / METADATA)}
    metadata = StudentMetadata.model_validate_json(content[METADATA])
    content |= {name: _bytes(source / name) for name in metadata.sha256 if is_served(name)}
    for name, data in content.items():
        write_atomic(target / name, data)
        recorded = row.metadata_sha256 if name == METADATA else metadata.sha256[name]
        if sha256_of(target / name) != recorded:
            raise RequestError(
                f"{source / name} is not what {layout.rows(Role.STUDENT)} recorded; nothing was deployed"
            )
    assert row.metadata_sha256 is not None
    return Served(
        folder=target.name,
        window=row.window_label,
        start=row.start,
        end=row.end,
        metadata_sha256=row.metadata_sha256,
        sha256={name: sha256_of(target / name) for name in content},
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise RequestError(f"{path} is missing; nothing was deployed") from None


def _release(
    approval: Line, release_id: str, served: dict[str, Served], unseen: Served | None, basis: str,
    manifest: RunManifest, made: GoldenMade, golden_sha256: str,
) -> Release:  # fmt: skip
    config = manifest.config
    assert made.golden is not None
    return Release(
        release_id=release_id,
        run_id=manifest.run_id,
        approval=approval.entry,
        approval_sha256=approval.sha256,
        basis=basis,
        students=served,
        unseen=unseen,
        features=made.golden.features,
        chosen=made.chosen,
        panel=made.panel,
        members=config.members,
        probe=made.probe,
        versions=manifest.versions,
        warmup_bars=WARMUP_BARS,
        interval=config.interval,
        timezone=config.plugged.timezone if config.plugged is not None else zone_of(config, manifest.bars),
        corporate_actions=config.corporate_actions and str(Path(config.corporate_actions).absolute()),
        file_options=FileOptions(**{name: getattr(config, name) for name in FileOptions.model_fields}),
        horizon_bars=config.horizon,
        label=config.label,
        target=config.training().target,
        label_rule=config.training().label_rule,
        costs=config.costs,
        cost_bps=config.cost_bps,
        slippage_bps=config.slippage_bps,
        order_value=config.order_value,
        cost_rates=config.cost_rates,
        golden_sha256=golden_sha256,
    )
