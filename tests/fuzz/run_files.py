"""Parsers of the files of a run and of its store. Digests are made to fit, as the author of a file can do it."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from orchestrator.bars.coverage import findings_of, merged, stored_table
from orchestrator.ledger.export import planned_of, untrained_symbols
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.ledger_reader import read_snapshot
from orchestrator.runs.summary import summarise
from schemas.contract.artifact import RunManifest, StudentMetadata, TeacherMetadata
from schemas.contract.conclusion import Conclusion
from schemas.contract.coverage import Coverage, CoverageTable
from schemas.contract.errors import GurukulError
from schemas.contract.judgement import GateReport, Statistics, Validation
from schemas.contract.requests import RunQuestion
from schemas.contract.task import Role, WindowTask
from schemas.contract.trials import TrialCount
from schemas.contract.window import PlannedWindow
from schemas.files import feature_importance
from schemas.files.atomic import sha256_of
from schemas.files.belonging import OwnRun, foreign_artifact, foreign_task
from schemas.files.layout import METADATA, PREDICTIONS, BarsLayout, RunLayout
from schemas.files.run_files import open_run, read_model, read_rows, write_rows
from schemas.store.packing import pack, unpack
from tests.fuzz.mutation import change_json
from tests.fuzz.parser import CONFIG, REJECTION, Parser, documents, instances, lasting_folder, of_file
from tests.workers.judging.runs import RUN, stored_run
from workers.bars import store
from workers.inspection.verification import verify
from workers.judging.predictions import pool


@cache
def _run() -> RunLayout:
    """A run with two windows of one symbol, made once; each input replaces one file of it."""
    return stored_run(lasting_folder(), days=240, symbols=1)


def _manifest(content: bytes, folder: Path) -> None:
    """`run.json`: opened, compared with a message, summarised."""
    layout = RunLayout.under(folder, "r")
    layout.folder.mkdir(parents=True, exist_ok=True)
    layout.manifest.write_bytes(content)
    manifest, _ = open_run(folder, "r")
    for task in instances(WindowTask, 1, run_id="r"):
        foreign_task(task, OwnRun(manifest))
    for metadata in instances(StudentMetadata, 1):
        foreign_artifact(metadata, OwnRun(manifest), "x")
    planned_of(manifest, Role.STUDENT)
    with closing(Ledger.in_memory()) as ledger:
        untrained_symbols(manifest, ledger)
        summarise(manifest, ledger, layout)


def _manifests() -> list[bytes]:
    windows = tuple(instances(PlannedWindow, 4))
    return documents(RunManifest, 3, run_id="r", plan=windows, config=CONFIG)


def _verified(name: str, role: Role) -> Callable[[bytes, Path], object]:
    """A file of a window, read by `verify` and by the validation."""

    def parse(content: bytes, folder: Path) -> None:
        layout, rows = _run(), read_rows(_run(), role)
        window = layout.artifact(rows[0].window_label, role)
        before = {path: path.read_bytes() for path in (window / METADATA, layout.rows(role))}
        own = window / name
        known = own.read_bytes() if own.is_file() else None
        own.write_bytes(content)
        try:
            if name != METADATA:
                metadata = json.loads(before[window / METADATA])
                metadata["sha256"][name] = sha256_of(own)
                if name == PREDICTIONS:
                    metadata["rows"]["scored"] = _number_of_rows(content)
                (window / METADATA).write_text(json.dumps(metadata))
            write_rows(
                layout, role, [rows[0].model_copy(update={"metadata_sha256": sha256_of(window / METADATA)}), *rows[1:]]
            )
            verify(RunQuestion(data_dir=str(layout.folder.parent.parent), run_id=RUN))
            if role is Role.STUDENT:
                pool(layout)
        finally:
            for path, content_before in before.items():
                path.write_bytes(content_before)
            if known is not None:
                own.write_bytes(known)
            else:
                own.unlink()

    return parse


def _number_of_rows(content: bytes) -> int:
    try:
        return int(pq.ParquetFile(pa.BufferReader(content)).metadata.num_rows)
    except (pa.ArrowException, OSError, ValueError):
        return 0


def _own(name: str, role: Role) -> list[bytes]:
    layout = _run()
    return [(layout.artifact(row.window_label, role) / name).read_bytes() for row in read_rows(layout, role)[:1]]


def _rows(content: bytes, folder: Path) -> None:
    """`student_runs.json`, read by `verify`."""
    layout = _run()
    path = layout.rows(Role.STUDENT)
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        verify(RunQuestion(data_dir=str(layout.folder.parent.parent), run_id=RUN))
    finally:
        path.write_bytes(before)


def _model(kind: type[BaseModel]) -> Callable[[Path], object]:
    return lambda path: read_model(path, kind)


def _verdict(path: Path) -> None:
    """A verdict of unknown kind: read as each of them."""
    for kind in VERDICTS:
        try:
            read_model(path, kind)
        except GurukulError:
            continue


VERDICTS: tuple[type[BaseModel], ...] = (Validation, Statistics, GateReport, TrialCount, Conclusion)


def _coverage(content: bytes, folder: Path) -> None:
    bars = BarsLayout.under(folder, "1day")
    bars.folder.mkdir(parents=True, exist_ok=True)
    bars.coverage.write_bytes(content)
    table = stored_table(bars)
    findings_of(table)
    for row in table.rejected.values():
        assert row.sentence
    merged(table, table)


def _tables() -> list[bytes]:
    rows = {each.symbol: each for each in instances(Coverage, 2, first=date(2019, 1, 1), last=date(2020, 1, 1))}
    return documents(CoverageTable, 2, symbols=rows, rejected={REJECTION.symbol: REJECTION})


def _ledger(path: Path) -> None:
    """A ledger: as the dashboard and the exporter read it, then as `status` does."""
    read_snapshot(path)
    with closing(Ledger(path, read_only=True)) as ledger:
        (
            ledger.condition(),
            ledger.phases(),
            ledger.counts(Role.STUDENT),
            ledger.sent(),
            ledger.skips(Role.TEACHER),
            list(ledger.records(Role.TEACHER)),
        )


def _ledgers() -> list[bytes]:
    with TemporaryDirectory() as folder, closing(Ledger.create(Path(folder) / "ledger.db")) as ledger:
        ledger.add(Role.TEACHER, [f"S0_{number}" for number in range(5)])
        ledger.send(Role.TEACHER, "S0_1", "cpu0@alpha")
        with ledger.copied() as copy:
            return [copy.read_bytes()]


def _packed() -> list[bytes]:
    layout = _run()
    return [pack(layout.artifact(row.window_label, Role.STUDENT)) for row in read_rows(layout, Role.STUDENT)]


def _importance(content: bytes, folder: Path) -> None:
    (folder / "feature_importance.csv").write_bytes(content)
    feature_importance.read(folder)


def _bars() -> list[bytes]:
    return [path.read_bytes() for path in (_run().folder.parent.parent / "bars").rglob("*.parquet")]


PARSERS = {
    "run": Parser(_manifest, _manifests, change_json),
    "rows": Parser(_rows, lambda: [_run().rows(Role.STUDENT).read_bytes()], change_json),
    "student_metadata": Parser(_verified(METADATA, Role.STUDENT), lambda: _own(METADATA, Role.STUDENT), change_json),
    "teacher_metadata": Parser(
        of_file(METADATA, _model(TeacherMetadata)), lambda: documents(TeacherMetadata), change_json
    ),
    "predictions": Parser(_verified(PREDICTIONS, Role.STUDENT), lambda: _own(PREDICTIONS, Role.STUDENT)),
    "verdict": Parser(
        of_file("verdict.json", _verdict),
        lambda: [each for kind in VERDICTS for each in documents(kind, 2)],
        change_json,
    ),
    "coverage": Parser(_coverage, _tables, change_json),
    "ledger": Parser(of_file("ledger.db", _ledger), _ledgers, refusals=(GurukulError, sqlite3.Error)),
    "tar": Parser(lambda content, folder: unpack(content, "s3://x"), _packed),
    "importance": Parser(_importance, lambda: _own("feature_importance.csv", Role.TEACHER)),
    "bars": Parser(of_file("A.parquet", store.read), _bars),
}
