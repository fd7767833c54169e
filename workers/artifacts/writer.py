"""Write a window's artifacts: whole folders, renamed into place, with the digests of what they hold."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from schemas.contract.artifact import StudentInputs, StudentMetadata, TeacherInputs, TeacherMetadata, key_of
from schemas.files import feature_importance
from schemas.files.atomic import artifact_folder, sha256_of
from schemas.files.layout import CERTIFICATE, FEATURE_IMPORTANCE, LABELS, METADATA, MODEL_UBJ, PREDICTIONS, REWARDS
from schemas.files.run_files import write_model
from workers.features.registry import feature_names
from workers.learning.fidelity import fidelity
from workers.learning.history import History
from workers.learning.label_table import label_columns
from workers.learning.splits import held_out_sets
from workers.learning.window import TrainedStudent, TrainedTeacher
from workers.models.xgboost import encode, importance


def write_teacher(
    target: Path, inputs: TeacherInputs, histories: Mapping[str, History], trained: TrainedTeacher
) -> None:
    """Store model, labels, importances, certificate and metadata."""
    teacher = trained.teacher
    with artifact_folder(target) as folder:
        (folder / MODEL_UBJ).write_bytes(encode(teacher.booster))
        (folder / LABELS).write_bytes(_labels_csv(histories, trained))
        (folder / FEATURE_IMPORTANCE).write_text(
            feature_importance.encode(importance(teacher.booster, trained.features))
        )
        write_model(folder / CERTIFICATE, trained.certificate)
        metadata = TeacherMetadata(
            **dict(inputs),
            key=key_of(inputs),
            features=trained.features,
            rows={
                "fit": len(trained.split.fit),
                "purged": len(trained.split.purged),
                "tail": len(trained.split.tail),
                "total": len(trained.row),
            },
            effective_rows=float(trained.metrics["effective_rows"] or 0.0),
            prior=trained.prior,
            rounds=teacher.rounds,
            offsets=dict(zip(trained.symbols, teacher.offsets.tolist(), strict=True)),
            held_out=tuple(held_out_sets()),
            parameters=teacher.parameters,
            metrics=trained.metrics,
            sha256=digests(folder),
        )
        write_model(folder / METADATA, metadata)


def write_student(target: Path, inputs: StudentInputs, history: History, student: TrainedStudent) -> None:
    """Store model, out-of-sample predictions, reward weights if the fit used them, and metadata."""
    with artifact_folder(target) as folder:
        fitted = student.fitted.model
        model = folder / fitted.file_name
        model.write_bytes(fitted.encode(feature_names(), student.trade_above))
        table = _predictions(inputs.window.symbol, history, student)
        pq.write_table(table, folder / PREDICTIONS, compression="zstd")
        if inputs.settings.reward_weights:
            pq.write_table(_rewards(inputs.window.symbol, history, student), folder / REWARDS, compression="zstd")
        metadata = StudentMetadata(
            **dict(inputs),
            key=key_of(inputs),
            features=feature_names(),
            rows={"train": len(student.rows.train), "scored": len(student.rows.scored)},
            prior=student.prior,
            window_share=student.window_share,
            trade_above=student.trade_above,
            fidelity=fidelity(
                history.labels.y[student.rows.scored],
                student.scored_student,
                student.scored_alone,
                student.scored_teacher,
                student.prior,
                model.stat().st_size,
            ),
            metrics=student.metrics,
            sha256=digests(folder),
        )
        write_model(folder / METADATA, metadata)


def digests(folder: Path) -> dict[str, str]:
    """Map the name of each file in `folder` to its SHA-256."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir())}


def _labels_csv(histories: Mapping[str, History], trained: TrainedTeacher) -> bytes:
    columns = {}
    instant = pa.timestamp("us", tz="UTC")
    types = {
        "timestamp": instant, "entry": instant, "label_end": instant,
        "session": pa.date32(), "label_end_session": pa.date32(),
    }  # fmt: skip
    for name, values in label_columns(histories, trained).items():
        column = pa.array(values)
        columns[name] = column.cast(types[name]) if name in types else column
    buffer = io.BytesIO()
    arrow_csv.write_csv(pa.table(columns), buffer, arrow_csv.WriteOptions(quoting_style="none"))
    # Arrow's own zlib, whose version is pyarrow's; Python's is whatever the host has.
    compressed: bytes = pa.Codec("gzip", compression_level=6).compress(buffer.getvalue(), asbytes=True)
    return compressed


def _predictions(symbol: str, history: History, student: TrainedStudent) -> pa.Table:
    bars, labels, scored = history.series, history.labels, student.rows.scored
    t0, t1 = labels.t0[scored], labels.t1[scored]
    instant = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "symbol": pa.array([symbol] * len(scored)),
            "timestamp": pa.array(bars.timestamp[t0]).cast(instant),
            "label_end": pa.array(bars.timestamp[t1]).cast(instant),
            "session": pa.array(bars.session[t0].astype(np.int32)).cast(pa.date32()),
            "label_end_session": pa.array(bars.session[t1].astype(np.int32)).cast(pa.date32()),
            "label": labels.y[scored],
            "forward_return": labels.forward_return[scored],
            "student": student.scored_student,
            "alone": student.scored_alone,
            "teacher": student.scored_teacher,
            "prior": np.full(len(scored), student.prior),
            "window_share": np.full(len(scored), student.window_share),
            "logistic": student.scored_logistic,
            "trade_above": pa.array([student.trade_above] * len(scored), pa.float64()),
        }
    )


def _rewards(symbol: str, history: History, student: TrainedStudent) -> pa.Table:
    bars, labels, train = history.series, history.labels, student.rows.train
    return pa.table(
        {
            "symbol": pa.array([symbol] * len(train)),
            "timestamp": pa.array(bars.timestamp[labels.t0[train]]).cast(pa.timestamp("us", tz="UTC")),
            "net_return": labels.net_return[train],
            "sigma": labels.sigma[train],
            "reward_weight": student.reward,
        }
    )
