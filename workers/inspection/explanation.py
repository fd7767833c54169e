"""Explain one stored window: its rows and their spans, how they were used, and the results."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.config.target import CLASS
from schemas.contract.artifact import Certificate, StudentMetadata, TeacherMetadata
from schemas.contract.errors import GurukulError, RequestError
from schemas.contract.requests import Explanation, LabelledRow, Part, WindowQuestion
from schemas.contract.task import Role
from schemas.contract.window import PANEL, Window
from schemas.files import feature_importance
from schemas.files.layout import CERTIFICATE, METADATA
from schemas.files.run_files import read_model
from workers.artifacts.reader import read_labels
from workers.inspection.run_lookup import manifest_of, window_of
from workers.judging.predictions import read_scored
from workers.learning.exit_rules import Barrier

PARTS = ("fit", "purged", "tail", "scored")
SHOWN_FEATURES = 5


def explain(question: WindowQuestion) -> Explanation:
    """Explain a trained window; `error` holds the reason if it cannot be explained."""
    try:
        return _explain(question)
    except GurukulError as error:
        return Explanation(error=str(error))


@dataclass(frozen=True)
class StoredWindow:
    """A window that was trained: what its artifacts record, and its rows as two tables, trained on and scored."""

    window: Window
    teacher_folder: Path
    teacher: TeacherMetadata
    student: StudentMetadata
    trained: pa.Table
    scored: pa.Table


def stored_window(question: WindowQuestion) -> StoredWindow:
    """Read a trained window; RequestError if there is none of that label, DataError if a file was changed."""
    manifest, layout = manifest_of(question)
    window = window_of(question, manifest)
    settings = manifest.config.training()
    teacher = layout.artifact(window.in_scope(settings.scope).label, Role.TEACHER)
    student = layout.artifact(window.in_scope(settings.scope_of_students).label, Role.STUDENT)
    for folder in (teacher, student):
        if not (folder / METADATA).is_file():
            raise RequestError(
                f"{folder} does not exist: the window was skipped or has failed, see {layout.rows(Role.STUDENT)}"
            )
    trained, fitted = read_model(teacher / METADATA, TeacherMetadata), read_model(student / METADATA, StudentMetadata)
    mine, scored = read_labels(teacher, trained), read_scored(student, fitted)
    if window.symbol != PANEL:
        mine, scored = (table.filter(pa.compute.equal(table["symbol"], window.symbol)) for table in (mine, scored))
        if not len(scored):
            raise RequestError(f"{window.symbol} had too few rows in this window; its student has not learned from it")
    return StoredWindow(window, teacher, trained, fitted, mine, scored)


def _explain(question: WindowQuestion) -> Explanation:
    found = stored_window(question)
    mine, of_class = found.trained, found.teacher.settings.target == CLASS
    rows = [*map(_trained, mine.to_pylist()), *map(_scored, found.scored.to_pylist())]
    barriers = Counter(Barrier(code).name.lower() for code in mine["barrier"].to_pylist())
    return Explanation(
        window=found.window,
        parts=tuple(_part(name, own, of_class) for name in PARTS if (own := [row for row in rows if row.part == name])),
        purged=tuple(row for row in rows if row.part == "purged"),
        rows=tuple(rows) if question.rows else (),
        ties=int(np.sum(mine["tie"].to_numpy())),
        barriers=dict(barriers),
        importance=tuple(feature_importance.read(found.teacher_folder).items())[:SHOWN_FEATURES],
        certificate=read_model(found.teacher_folder / CERTIFICATE, Certificate),
        teacher=found.teacher,
        student=found.student,
    )


def _part(name: str, rows: list[LabelledRow], of_class: bool) -> Part:
    return Part(
        name=name,
        rows=len(rows),
        positives=sum(int(row.label) for row in rows) if of_class else None,
        first=rows[0].day,
        last=rows[-1].day,
        label_end=max(row.last_day for row in rows),
    )


def _trained(row: dict[str, Any]) -> LabelledRow:
    return _row(row, part=row["part"], block=row["block"], weight=row["weight"], prediction=row["teacher_out_of_fold"])


def _scored(row: dict[str, Any]) -> LabelledRow:
    return _row(row, part="scored", block=None, weight=None, prediction=row["student"])


def _row(row: dict[str, Any], **used: Any) -> LabelledRow:
    return LabelledRow(
        symbol=row["symbol"],
        decided=row["timestamp"],
        label_end=row["label_end"],
        day=row["session"],
        last_day=row["label_end_session"],
        label=row["label"],
        forward_return=row["forward_return"],
        **used,
    )
