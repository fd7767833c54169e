"""Write and read a window's artifacts: whole folders, renamed into place, with the digests of what they hold."""

import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import xgboost as xgb

from schemas.contract.artifact import (
    StudentInputs,
    StudentMetadata,
    StudentModel,
    TeacherInputs,
    TeacherMetadata,
    key_of,
)
from schemas.contract.errors import DataError
from schemas.files import feature_importance
from schemas.files.atomic import artifact_folder, sha256_of, to_json
from schemas.files.layout import (
    CERTIFICATE,
    FEATURE_IMPORTANCE,
    LABELS,
    METADATA,
    MODEL_JSON,
    MODEL_UBJ,
    PREDICTIONS,
    REWARDS,
)
from schemas.files.run_rows import read_model, write_model
from workers.features.registry import feature_names
from workers.learning.fidelity import fidelity
from workers.learning.history import History
from workers.learning.splits import BLOCKS, held_out_sets
from workers.learning.student import Model
from workers.learning.teacher import importance
from workers.learning.window import School, TaughtWindow, TrainedStudent, label_columns
from workers.models.booster import Booster
from workers.models.logistic import Logistic


@dataclass(frozen=True)
class StoredTeacher:
    """A teacher as it lies on disk: booster, offsets of a panel's symbols, what it tells its students, its digest."""

    booster: xgb.Booster
    offsets: dict[str, float]
    labels: pa.Table
    sha256: str

    def school(self, symbol: str) -> School:
        """What it tells the student of `symbol`."""
        mine = self.labels.filter(pc.equal(self.labels["symbol"], symbol))
        row, block, fitted_by = (np.asarray(mine[name], dtype=np.int64) for name in ("row", "block", "fitted_by"))
        opinion = [np.asarray(mine[f"opinion_without_{number}"], dtype=np.float64) for number in range(BLOCKS)]
        return School(row, block, fitted_by, np.stack(opinion, axis=1))


def write_teacher(target: Path, inputs: TeacherInputs, histories: Mapping[str, History], taught: TaughtWindow) -> None:
    """Store model, labels, importances, certificate and metadata."""
    teacher = taught.teacher
    with artifact_folder(target) as folder:
        (folder / MODEL_UBJ).write_bytes(bytes(teacher.booster.save_raw("ubj")))
        (folder / LABELS).write_bytes(_labels_csv(histories, taught))
        (folder / FEATURE_IMPORTANCE).write_text(
            feature_importance.encode(importance(teacher.booster, taught.features))
        )
        write_model(folder / CERTIFICATE, taught.certificate)
        metadata = TeacherMetadata(
            **dict(inputs),
            key=key_of(inputs),
            features=taught.features,
            rows={
                "fit": len(taught.split.fit),
                "purged": len(taught.split.purged),
                "tail": len(taught.split.tail),
                "total": len(taught.row),
            },
            effective_rows=float(taught.metrics["effective_rows"] or 0.0),
            prior=taught.prior,
            rounds=teacher.rounds,
            offsets=dict(zip(taught.symbols, teacher.offsets.tolist(), strict=True)) if inputs.is_panel else {},
            held_out=tuple(held_out_sets()),
            parameters=teacher.parameters,
            metrics=taught.metrics,
            sha256=digests(folder),
        )
        write_model(folder / METADATA, metadata)


def write_student(target: Path, inputs: StudentInputs, history: History, student: TrainedStudent) -> None:
    """Store model, out-of-sample predictions, rewards if they weighed, and metadata."""
    with artifact_folder(target) as folder:
        model = folder / _write_model(folder, student)
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


def _write_model(folder: Path, student: TrainedStudent) -> str:
    """Store the student's model under the name of its kind; returns the name."""
    model = student.taught.model
    if isinstance(model, Logistic):
        stored = StudentModel(
            features=feature_names(),
            coefficients=tuple(model.coefficients.tolist()),
            intercept=model.intercept,
            fill=tuple(model.fill.tolist()),
            trade_above=student.trade_above,
        )
        (folder / MODEL_JSON).write_text(to_json(stored.model_dump(mode="json")))
        return MODEL_JSON
    assert isinstance(model, Booster)
    (folder / MODEL_UBJ).write_bytes(model.to_bytes(feature_names(), student.trade_above))
    return MODEL_UBJ


def read_student(folder: Path) -> Model:
    """A stored student of either kind."""
    path = folder / MODEL_JSON
    if not path.is_file():
        return Booster.from_bytes((folder / MODEL_UBJ).read_bytes())
    stored = read_model(path, StudentModel)
    return Logistic(np.asarray(stored.coefficients), stored.intercept, np.asarray(stored.fill))


def digests(folder: Path) -> dict[str, str]:
    """File name -> SHA-256 of each file that lies in `folder`."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir())}


def read_teacher(folder: Path) -> StoredTeacher:
    """The stored teacher. DataError if there is none, or anything of it was changed."""
    metadata_path = folder / METADATA
    if not metadata_path.is_file():
        raise DataError(f"{folder} holds no finished teacher; resume the run to train it")
    metadata = TeacherMetadata.model_validate_json(metadata_path.read_bytes())
    for name in (MODEL_UBJ, LABELS):
        if sha256_of(folder / name) != metadata.sha256[name]:
            raise DataError(f"{folder / name} was changed after training; remove {folder.parent} and resume the run")
    booster = xgb.Booster(params={"nthread": 1})
    booster.load_model(bytearray((folder / MODEL_UBJ).read_bytes()))
    return StoredTeacher(booster, metadata.offsets, read_labels(folder), sha256_of(metadata_path))


def read_labels(folder: Path) -> pa.Table:
    """A teacher's labels, one row a training row."""
    return arrow_csv.read_csv(
        io.BytesIO(gzip.decompress((folder / LABELS).read_bytes())),
        convert_options=arrow_csv.ConvertOptions(
            column_types={"symbol": pa.string()}
            | {f"opinion_without_{number}": pa.float64() for number in range(BLOCKS)},
            strings_can_be_null=False,
        ),
    )


def _labels_csv(histories: Mapping[str, History], taught: TaughtWindow) -> bytes:
    columns = {}
    instant = pa.timestamp("us", tz="UTC")
    types = {
        "timestamp": instant, "entry": instant, "label_end": instant,
        "session": pa.date32(), "label_end_session": pa.date32(),
    }  # fmt: skip
    for name, values in label_columns(histories, taught).items():
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
