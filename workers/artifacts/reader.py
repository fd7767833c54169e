"""Read a window's stored teacher and its labels."""

import io
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import xgboost as xgb

from schemas.contract.artifact import TeacherMetadata
from schemas.contract.errors import DataError
from schemas.files.atomic import sha256_of
from schemas.files.bounded import (
    LARGEST_LABELS_BYTES,
    LARGEST_MODEL_BYTES,
    LARGEST_UNPACKED_LABELS_BYTES,
    read_bounded,
    unpack_bounded,
)
from schemas.files.layout import LABELS, METADATA, MODEL_UBJ
from workers.learning.splits import BLOCKS
from workers.learning.window import TeacherTargets
from workers.models.xgboost import decode


@dataclass(frozen=True)
class StoredTeacher:
    """A stored teacher.

    `offsets` maps each symbol of a panel to the logit that its predictions start from; `labels` has one row per
    training row; `sha256` is the digest of `metadata.json`.
    """

    booster: xgb.Booster
    offsets: dict[str, float]
    labels: pa.Table
    sha256: str

    def targets(self, symbol: str) -> TeacherTargets:
        """Out-of-fold predictions for the training rows of `symbol`, for its student."""
        mine = self.labels.filter(pc.equal(self.labels["symbol"], symbol))
        row, block, fitted_by = (np.asarray(mine[name], dtype=np.int64) for name in ("row", "block", "fitted_by"))
        out_of_fold = [np.asarray(mine[f"opinion_without_{number}"], dtype=np.float64) for number in range(BLOCKS)]
        return TeacherTargets(row, block, fitted_by, np.stack(out_of_fold, axis=1))


def read_teacher(folder: Path) -> StoredTeacher:
    """Read a stored teacher. DataError if there is none, or if a file was changed after training."""
    metadata_path = folder / METADATA
    if not metadata_path.is_file():
        raise DataError(f"{folder} holds no finished teacher; resume the run to train it")
    metadata = TeacherMetadata.model_validate_json(metadata_path.read_bytes())
    model = read_bounded(folder / MODEL_UBJ, LARGEST_MODEL_BYTES)
    packed = read_bounded(folder / LABELS, LARGEST_LABELS_BYTES)
    for name, content in ((MODEL_UBJ, model), (LABELS, packed)):
        if sha256(content).hexdigest() != metadata.sha256[name]:
            raise DataError(f"{folder / name} was changed after training; remove {folder.parent} and resume the run")
    labels = _labels(packed, folder / LABELS)
    return StoredTeacher(decode(model), metadata.offsets, labels, sha256_of(metadata_path))


def read_labels(folder: Path) -> pa.Table:
    """Read `labels.csv.gz`: one row per training row. FileError if it is damaged or too large."""
    return _labels(read_bounded(folder / LABELS, LARGEST_LABELS_BYTES), folder / LABELS)


def _labels(packed: bytes, path: Path) -> pa.Table:
    return arrow_csv.read_csv(
        io.BytesIO(unpack_bounded(packed, LARGEST_UNPACKED_LABELS_BYTES, path)),
        convert_options=arrow_csv.ConvertOptions(
            column_types={"symbol": pa.string()}
            | {f"opinion_without_{number}": pa.float64() for number in range(BLOCKS)},
            strings_can_be_null=False,
        ),
    )
