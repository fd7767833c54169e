"""Read a window's stored teacher and its labels."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from schemas.contract.artifact import TeacherInputs, TeacherMetadata
from schemas.contract.errors import DataError, FileError
from schemas.files.atomic import sha256_of
from schemas.files.belonging import foreign_inputs
from schemas.files.bounded import (
    LARGEST_MODEL_BYTES,
    largest_labels_bytes,
    read_recorded,
    unpack_bounded,
)
from schemas.files.layout import LABELS, METADATA, MODEL_UBJ
from schemas.files.run_files import read_model
from workers.learning.splits import BLOCKS
from workers.models.xgboost import decode

if TYPE_CHECKING:  # `verify`, `explain` and a deployment read labels alone, without the learning stack
    import xgboost as xgb

    from workers.learning.student import TeacherTargets


@dataclass(frozen=True)
class StoredTeacher:
    """A stored teacher.

    `model` is the booster's file; `offsets` maps each symbol of a panel to the logit that its predictions start from;
    `labels` has one row per training row; `sha256` is the digest of `metadata.json`.
    """

    booster: "xgb.Booster"
    model: bytes
    offsets: dict[str, float]
    labels: pa.Table
    sha256: str

    def targets(self, symbol: str | None) -> "TeacherTargets":
        """Out-of-fold predictions for the training rows of `symbol`, for its student; None: of all symbols."""
        from workers.learning.student import TeacherTargets

        mine = self.labels if symbol is None else self.labels.filter(pc.equal(self.labels["symbol"], symbol))
        row, block, fitted_by = (np.asarray(mine[name], dtype=np.int64) for name in ("row", "block", "fitted_by"))
        without = None
        if "opinion_without_0" in mine.column_names:
            without = np.stack(
                [np.asarray(mine[f"opinion_without_{number}"], dtype=np.float64) for number in range(BLOCKS)], axis=1
            )
        symbols = np.asarray(mine["symbol"].to_pylist(), dtype=object)
        own = np.asarray(mine["teacher_out_of_fold"], dtype=np.float64)
        return TeacherTargets(symbols, row, block, fitted_by, own, without)


def read_own_teacher(folder: Path, inputs: TeacherInputs) -> StoredTeacher:
    """Read the stored teacher of `inputs`, which may lack symbols of a panel. DataError also if it is another."""
    path, remedy = folder / METADATA, f"remove {folder.parent} and resume the run"
    if path.is_file() and (
        why := foreign_inputs(read_model(path, TeacherMetadata, remedy=remedy), inputs, some_bars=True)
    ):
        raise DataError(f"{folder} was not made by this run: {why}; {remedy}")
    return read_teacher(folder)


def read_teacher(folder: Path) -> StoredTeacher:
    """Read a stored teacher. DataError if there is none, or if a file was changed after training."""
    metadata_path, remedy = folder / METADATA, f"remove {folder.parent} and resume the run"
    if not metadata_path.is_file():
        raise DataError(f"{folder} holds no finished teacher; resume the run to train it")
    metadata = read_model(metadata_path, TeacherMetadata, remedy=remedy)
    path = folder / MODEL_UBJ
    model = read_recorded(path, metadata.sha256, LARGEST_MODEL_BYTES, remedy)
    labels = read_labels(folder, metadata)
    try:
        booster = decode(model)
    except ValueError as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(f"{path} is not a model that XGBoost can read ({reason}); {remedy}") from None
    return StoredTeacher(booster, model, metadata.offsets, labels, sha256_of(metadata_path))


def read_labels(folder: Path, metadata: TeacherMetadata) -> pa.Table:
    """Read `labels.csv.gz`: one row per training row. DataError if it is damaged, changed or too large."""
    path, largest_bytes = folder / LABELS, largest_labels_bytes(metadata.rows.get("total", 0))
    packed = read_recorded(path, metadata.sha256, largest_bytes, f"remove {folder.parent} and resume the run")
    try:
        return _labels(unpack_bounded(packed, largest_bytes, path))
    except pa.ArrowException as error:
        raise FileError(f"{path} is no table of labels: {error}; remove {folder.parent} and resume the run") from None


def _labels(content: bytes) -> pa.Table:
    return arrow_csv.read_csv(
        io.BytesIO(content),
        convert_options=arrow_csv.ConvertOptions(
            column_types={"symbol": pa.string()}
            | {f"opinion_without_{number}": pa.float64() for number in range(BLOCKS)}
            | {"teacher_out_of_fold": pa.float64()},
            strings_can_be_null=False,
        ),
    )
