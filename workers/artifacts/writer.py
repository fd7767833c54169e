"""Write a window's artifacts: whole folders, renamed into place, with the digests of what they hold."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from schemas.contract.artifact import StudentInputs, StudentMetadata, TeacherInputs, TeacherMetadata, key_of
from schemas.files import feature_importance
from schemas.files.atomic import artifact_folder, sha256_of
from schemas.files.layout import (
    CERTIFICATE,
    FEATURE_IMPORTANCE,
    LABELS,
    METADATA,
    PREDICTIONS,
    REWARDS,
    SERVING,
)
from schemas.files.run_files import write_model
from workers.bars.series import Floats, Ints
from workers.features.chosen import names_of
from workers.learning.fidelity import fidelity
from workers.learning.history import History
from workers.learning.label_table import label_columns
from workers.learning.window import TrainedTeacher
from workers.learning.window_student import TrainedStudent
from workers.models.registry import type_of

# Rows whose text is in memory at once while labels are written.
CHUNK_ROWS = 65_536


def write_teacher(
    target: Path, inputs: TeacherInputs, histories: Mapping[str, History], trained: TrainedTeacher
) -> None:
    """Store model, labels, importances, certificate and metadata."""
    teacher = trained.teacher
    with artifact_folder(target) as folder:
        (folder / teacher.model.file_name).write_bytes(teacher.model.encode(trained.features))
        with (folder / LABELS).open("wb") as file:
            file.writelines(_labels_csv(histories, trained))
        importance = teacher.model.importance(trained.features)
        (folder / FEATURE_IMPORTANCE).write_text(feature_importance.encode(importance))
        write_model(folder / CERTIFICATE, trained.certificate)
        metadata = TeacherMetadata(
            **dict(inputs),
            key=key_of(inputs),
            features=trained.features,
            rows={
                "fit": len(trained.split.fit),
                "purged": len(trained.split.purged),
                "tail": len(trained.split.tail),
                "total": len(trained.sample),
            },
            effective_rows=float(trained.metrics["effective_rows"] or 0.0),
            prior=trained.prior,
            rounds=teacher.rounds,
            offsets=trained.offsets,
            held_out=trained.held_out,
            parameters=teacher.parameters,
            metrics=trained.metrics,
            sha256=digests(folder),
        )
        write_model(folder / METADATA, metadata)


def write_student(
    target: Path,
    inputs: StudentInputs,
    histories: Mapping[str, History],
    student: TrainedStudent,
    teacher_model: bytes,
) -> None:
    """Store model, out-of-sample predictions, reward weights if the fit used them, and metadata.

    `teacher_model` is the file of its teacher, which is stored with a student that adds its teacher's predictions.
    """
    with artifact_folder(target) as folder:
        fitted, features = student.fitted.model, names_of(inputs.settings.feature_set)
        teacher_file = type_of(inputs.settings.teacher).teacher_file()
        names = [fitted.file_name, SERVING] + ([teacher_file] if student.serving.teacher_factor else [])
        (folder / fitted.file_name).write_bytes(fitted.encode(features))
        write_model(folder / SERVING, student.serving)
        if student.serving.teacher_factor:
            (folder / teacher_file).write_bytes(teacher_model)
        pq.write_table(_predictions(histories, student), folder / PREDICTIONS, compression="zstd")
        if inputs.settings.reward_weights:
            pq.write_table(_rewards(histories, student), folder / REWARDS, compression="zstd")
        metadata = StudentMetadata(
            **dict(inputs),
            key=key_of(inputs),
            features=features,
            rows={"train": len(student.data.sample), "scored": len(student.scored)},
            priors=student.priors,
            window_shares=student.window_shares,
            trade_above=student.serving.trade_above,
            fidelity=fidelity(
                student.data.sample.family,
                student.y,
                student.scored_student,
                student.scored_alone,
                student.scored_teacher,
                student.prior,
                sum((folder / name).stat().st_size for name in names),
            ),
            metrics=student.metrics,
            sha256=digests(folder),
        )
        write_model(folder / METADATA, metadata)


def digests(folder: Path) -> dict[str, str]:
    """Map the name of each file in `folder` to its SHA-256."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir())}


def _labels_csv(histories: Mapping[str, History], trained: TrainedTeacher) -> Iterator[bytes]:
    """The labels as a .gz file, in members of CHUNK_ROWS rows: all of a panel's text takes 700 bytes per row."""
    columns = {}
    instant = pa.timestamp("us", tz="UTC")
    types = {
        "timestamp": instant, "entry": instant, "label_end": instant,
        "session": pa.date32(), "label_end_session": pa.date32(),
    }  # fmt: skip
    for name, values in label_columns(histories, trained).items():
        column = pa.array(values)
        if values.dtype == object:
            column = column.dictionary_encode()  # one number per row instead of a text
        columns[name] = column.cast(types[name]) if name in types else column
    table = pa.table(columns)
    # Arrow's own zlib, whose version is pyarrow's; Python's is whatever the host has.
    codec = pa.Codec("gzip", compression_level=1)
    for begin in range(0, len(table), CHUNK_ROWS):
        text = pa.BufferOutputStream()
        options = arrow_csv.WriteOptions(include_header=not begin, quoting_style="none")
        arrow_csv.write_csv(table.slice(begin, CHUNK_ROWS), text, options)
        yield codec.compress(text.getvalue(), asbytes=True)
    del table, text
    pa.default_memory_pool().release_unused()


def _predictions(histories: Mapping[str, History], student: TrainedStudent) -> pa.Table:
    symbols, member, row = student.scored.symbols, student.scored.member, student.scored.row
    labels, bars = _columns(histories, symbols, member, row)
    ranks = {"rank": labels["rank"]} if np.isfinite(labels["rank"]).all() else {}
    above = [student.serving.trade_above[symbol] for symbol in symbols]
    instant = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "symbol": pa.array([symbols[number] for number in member]),
            "timestamp": pa.array(bars["timestamp"]).cast(instant),
            "label_end": pa.array(bars["label_end"]).cast(instant),
            "session": pa.array(bars["session"].astype(np.int32)).cast(pa.date32()),
            "label_end_session": pa.array(bars["label_end_session"].astype(np.int32)).cast(pa.date32()),
            "label": student.y,
            "forward_return": labels["forward_return"],
            **ranks,
            "student": student.scored_student,
            "alone": student.scored_alone,
            "teacher": student.scored_teacher,
            "prior": student.prior,
            "window_share": student.window_share,
            "logistic": student.scored_logistic,
            "trade_above": pa.array([above[number] for number in member], pa.float64()),
        }
    )


def _rewards(histories: Mapping[str, History], student: TrainedStudent) -> pa.Table:
    sample = student.data.sample
    labels, bars = _columns(histories, sample.symbols, sample.member, sample.row)
    return pa.table(
        {
            "symbol": pa.array([sample.symbols[number] for number in sample.member]),
            "timestamp": pa.array(bars["timestamp"]).cast(pa.timestamp("us", tz="UTC")),
            "net_return": labels["net_return"],
            "sigma": labels["sigma"],
            "reward_weight": student.data.reward,
        }
    )


def _columns(
    histories: Mapping[str, History], symbols: tuple[str, ...], member: Ints, row: Ints
) -> tuple[dict[str, Floats], dict[str, Ints]]:
    """Returns of each row, and the instants (microseconds since 1970) and sessions (days) of its decision and end."""
    labels = {name: np.empty(len(row)) for name in ("forward_return", "net_return", "sigma", "rank")}
    names = ("timestamp", "label_end", "session", "label_end_session")
    bars = {name: np.empty(len(row), dtype=np.int64) for name in names}
    for number, symbol in enumerate(symbols):
        mine, series, own = member == number, histories[symbol].series, histories[symbol].labels
        t0, t1 = own.t0[row[mine]], own.t1[row[mine]]
        for name, values in labels.items():
            values[mine] = getattr(own, name)[row[mine]]
        bars["timestamp"][mine], bars["session"][mine] = series.timestamp[t0], series.session[t0]
        bars["label_end"][mine], bars["label_end_session"][mine] = series.timestamp[t1], series.session[t1]
    return labels, bars
