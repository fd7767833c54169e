"""Write and read a window's artifacts: whole folders, renamed into place, with the digests of what they hold."""

import gzip
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import xgboost as xgb

from schemas.artifacts import StudentInputs, StudentMetadata, TeacherInputs, TeacherMetadata, key_of
from schemas.errors import DataError
from schemas.layout import artifact_folder, sha256_of, to_json
from schemas.messages import Role
from schemas.rows import write_model
from workers.bars.series import Floats
from workers.judging.predictions import FILE_NAME as PREDICTIONS
from workers.learning.features import FEATURE_NAMES
from workers.learning.teacher import importance
from workers.learning.window import History, TaughtWindow, TrainedStudent, label_columns

MODEL_UBJ = "model.ubj"
MODEL_JSON = "model.json"
LABELS = "labels.csv.gz"
METADATA = "metadata.json"

METADATA_KINDS: dict[Role, type[TeacherMetadata | StudentMetadata]] = {
    Role.TEACHER: TeacherMetadata,
    Role.STUDENT: StudentMetadata,
}


def write_teacher(target: Path, inputs: TeacherInputs, history: History, taught: TaughtWindow) -> None:
    """Store model, labels, importances and metadata."""
    teacher = taught.teacher
    with artifact_folder(target) as folder:
        (folder / MODEL_UBJ).write_bytes(bytes(teacher.booster.save_raw("ubj")))
        (folder / LABELS).write_bytes(_labels_csv(inputs.window.symbol, history, taught))
        (folder / "feature_importance.csv").write_text(_importance_csv(teacher.booster))
        metadata = TeacherMetadata(
            **dict(inputs),
            key=key_of(inputs),
            features=FEATURE_NAMES,
            rows={
                "fit": len(taught.split.fit),
                "purged": len(taught.split.purged),
                "tail": len(taught.split.tail),
                "total": len(taught.rows.train),
            },
            effective_rows=float(taught.metrics["effective_rows"] or 0.0),
            prior=float(np.average(history.labels.y[taught.rows.train], weights=taught.weight)),
            rounds=teacher.rounds,
            parameters=teacher.parameters,
            metrics=taught.metrics,
            sha256=digests(folder),
        )
        write_model(folder / METADATA, metadata)


def write_student(target: Path, inputs: StudentInputs, history: History, student: TrainedStudent) -> None:
    """Store model, out-of-sample predictions and metadata."""
    with artifact_folder(target) as folder:
        (folder / MODEL_JSON).write_text(to_json(student.model.model_dump(mode="json")))
        table = _predictions(inputs.window.symbol, history, student)
        pq.write_table(table, folder / PREDICTIONS, compression="zstd")
        metadata = StudentMetadata(
            **dict(inputs),
            key=key_of(inputs),
            features=FEATURE_NAMES,
            rows={"train": int(student.metrics["rows"] or 0), "scored": len(student.scored)},
            prior=student.prior,
            metrics=student.metrics,
            sha256=digests(folder),
        )
        write_model(folder / METADATA, metadata)


def digests(folder: Path) -> dict[str, str]:
    """File name -> SHA-256 of each file that lies in `folder`."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir())}


def read_teacher(folder: Path) -> tuple[xgb.Booster, Floats, str]:
    """The stored booster, its out-of-fold probabilities, the metadata's digest. DataError if anything was changed."""
    metadata_path = folder / METADATA
    if not metadata_path.is_file():
        raise DataError(f"{folder} holds no finished teacher; resume the run to train it")
    metadata = TeacherMetadata.model_validate_json(metadata_path.read_bytes())
    for name in (MODEL_UBJ, LABELS):
        if sha256_of(folder / name) != metadata.sha256[name]:
            raise DataError(f"{folder / name} was changed after training; remove {folder.parent} and resume the run")
    booster = xgb.Booster(params={"nthread": 1})
    booster.load_model(bytearray((folder / MODEL_UBJ).read_bytes()))
    table = arrow_csv.read_csv(
        io.BytesIO(gzip.decompress((folder / LABELS).read_bytes())),
        convert_options=arrow_csv.ConvertOptions(include_columns=["teacher_out_of_fold"]),
    )
    probability = np.asarray(table["teacher_out_of_fold"], dtype=np.float64)
    return booster, probability, sha256_of(metadata_path)


def _labels_csv(symbol: str, history: History, taught: TaughtWindow) -> bytes:
    columns = {"symbol": pa.array([symbol] * len(taught.rows.train))}
    instant = pa.timestamp("us", tz="UTC")
    types = {"timestamp": instant, "label_end": instant, "session": pa.date32()}
    for name, values in label_columns(history, taught).items():
        column = pa.array(values)
        columns[name] = column.cast(types[name]) if name in types else column
    buffer = io.BytesIO()
    arrow_csv.write_csv(pa.table(columns), buffer, arrow_csv.WriteOptions(quoting_style="none"))
    # Arrow's own zlib, whose version is pyarrow's; Python's is whatever the host has.
    compressed: bytes = pa.Codec("gzip", compression_level=6).compress(buffer.getvalue(), asbytes=True)
    return compressed


def _importance_csv(booster: xgb.Booster) -> str:
    rows = (f"{name},{share!r},{rank}" for name, share, rank in importance(booster, FEATURE_NAMES))
    return "\n".join(["feature,importance,rank", *rows]) + "\n"


def _predictions(symbol: str, history: History, student: TrainedStudent) -> pa.Table:
    bars, labels, scored = history.series, history.labels, student.scored
    t0, t1 = labels.t0[scored], labels.t1[scored]
    trade_above = student.model.trade_above
    instant = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "symbol": pa.array([symbol] * len(scored)),
            "timestamp": pa.array(bars.timestamp[t0]).cast(instant),
            "label_end": pa.array(bars.timestamp[t1]).cast(instant),
            "session": pa.array(bars.session[t0].astype(np.int32)).cast(pa.date32()),
            "label": labels.y[scored],
            "forward_return": labels.forward_return[scored],
            "student": student.scored_student,
            "teacher": student.scored_teacher,
            "prior": np.full(len(scored), student.prior),
            "trade": student.scored_student > (np.inf if trade_above is None else trade_above),
        }
    )
