"""Read a window's stored teacher and its labels."""

import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import xgboost as xgb

from schemas.contract.artifact import TeacherMetadata
from schemas.contract.errors import DataError
from schemas.files.atomic import sha256_of
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
    for name in (MODEL_UBJ, LABELS):
        if sha256_of(folder / name) != metadata.sha256[name]:
            raise DataError(f"{folder / name} was changed after training; remove {folder.parent} and resume the run")
    booster = decode((folder / MODEL_UBJ).read_bytes())
    return StoredTeacher(booster, metadata.offsets, read_labels(folder), sha256_of(metadata_path))


def read_labels(folder: Path) -> pa.Table:
    """Read `labels.csv.gz`: one row per training row."""
    return arrow_csv.read_csv(
        io.BytesIO(gzip.decompress((folder / LABELS).read_bytes())),
        convert_options=arrow_csv.ConvertOptions(
            column_types={"symbol": pa.string()}
            | {f"opinion_without_{number}": pa.float64() for number in range(BLOCKS)},
            strings_can_be_null=False,
        ),
    )
