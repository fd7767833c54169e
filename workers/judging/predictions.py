"""The out-of-sample predictions of a run, read back from its students and checked against their digests."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from schemas.artifacts import RunRow
from schemas.errors import PhaseError
from schemas.layout import RunLayout, sha256_of
from schemas.messages import Role, Status
from schemas.rows import read_rows
from workers.bars.series import Floats

FILE_NAME = "predictions.parquet"


@dataclass(frozen=True)
class Predictions:
    """Pooled scored rows of all students; one value a row in each array, days as days since 1970."""

    symbol: NDArray[np.object_]
    day: NDArray[np.int64]
    y: NDArray[np.float64]
    forward_return: Floats
    student: Floats
    alone: Floats
    teacher: Floats
    prior: Floats
    trade: NDArray[np.bool_]
    windows: int
    digests: dict[str, str]

    def __len__(self) -> int:
        return len(self.y)


def successful_students(layout: RunLayout) -> list[RunRow]:
    """Rows of `student_runs.json` that ended in success; PhaseError if there are none."""
    rows = [row for row in read_rows(layout, Role.STUDENT) if row.status is Status.SUCCESS]
    if not rows:
        raise PhaseError(f"{layout.rows(Role.STUDENT)} holds no successful student; nothing to judge")
    return rows


def load_predictions(layout: RunLayout) -> Predictions:
    """Read every successful student's predictions; PhaseError if a file is missing or not what its metadata says."""
    tables, digests = [], {}
    for row in successful_students(layout):
        folder = layout.artifact(row.window_label, Role.STUDENT)
        path = folder / FILE_NAME
        if not path.is_file() or sha256_of(folder / "metadata.json") != row.metadata_sha256:
            raise PhaseError(f"{folder} is missing or not what {layout.rows(Role.STUDENT)} recorded")
        digests[f"windows/{row.window_label}/student/{FILE_NAME}"] = sha256_of(path)
        tables.append(pq.read_table(path))
    table = pa.concat_tables(tables)
    return Predictions(
        symbol=np.asarray(table["symbol"].to_pylist(), dtype=object),
        day=np.asarray(table["session"].cast(pa.int32()), dtype=np.int64),
        y=np.asarray(table["label"], dtype=np.float64),
        forward_return=np.asarray(table["forward_return"], dtype=np.float64),
        student=np.asarray(table["student"], dtype=np.float64),
        alone=np.asarray(table["alone"], dtype=np.float64),
        teacher=np.asarray(table["teacher"], dtype=np.float64),
        prior=np.asarray(table["prior"], dtype=np.float64),
        trade=np.asarray(table["trade"], dtype=bool),
        windows=len(tables),
        digests=digests,
    )
