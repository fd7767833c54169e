"""Out-of-sample predictions of a run: read from its students' artifacts, pooled, and stored for the gates."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from schemas.contract.artifact import RunRow, StudentMetadata
from schemas.contract.errors import DataError, PhaseError
from schemas.contract.task import Role, Status
from schemas.files.atomic import sha256_of
from schemas.files.bounded import LARGEST_FILE_BYTES, read_recorded
from schemas.files.layout import METADATA, PREDICTIONS, RunLayout
from schemas.files.run_files import read_model, read_rows
from workers.bars.series import Floats, Ints

# The models whose predictions are scored, and the two baselines: the base rate that every model adds to, and the
# share of positives over the window's own rows, which is weaker; of values the historical mean, and that of the window.
MODELS = ("student", "alone", "logistic", "teacher")
BASELINES = ("prior", "window_share")
# Columns of every table of predictions, without missing values, and whether a type is right.
COLUMNS: dict[str, Callable[[pa.DataType], bool]] = {
    # A table without rows has no type of names.
    "symbol": lambda kind: pa.types.is_string(kind) or pa.types.is_null(kind),
    **dict.fromkeys(("timestamp", "label_end"), pa.types.is_timestamp),
    **dict.fromkeys(("session", "label_end_session"), pa.types.is_date32),
    **dict.fromkeys(("label", "forward_return", *MODELS, *BASELINES), lambda kind: not pa.types.is_string(kind)),
}


@dataclass(frozen=True)
class Predictions:
    """Pooled scored rows of all students, sorted by symbol and time; each array has shape (rows,).

    `timestamp` and `label_end` are microseconds since 1970, `day` is the session of the decision in days since 1970.
    `trade_above` is the prediction above which a trade paid on the training rows, infinite if none did. `y` is 0 or 1,
    or of labels that are values any number; predictions are probabilities or values.
    """

    symbol: NDArray[np.object_]
    timestamp: Ints
    label_end: Ints
    day: Ints
    y: Floats
    forward_return: Floats
    student: Floats
    alone: Floats
    logistic: Floats
    teacher: Floats
    prior: Floats
    window_share: Floats
    trade_above: Floats
    window: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def zero(self) -> Floats:
        """A prediction of 0 for every row."""
        return np.zeros(len(self))

    @cached_property
    def cells(self) -> tuple[Ints, Ints, tuple[int, int]]:
        """Where rows stand in a matrix of all instants and symbols: line and column of each row, and its shape."""
        symbols, column = np.unique(self.symbol.astype(str), return_inverse=True)
        instants, line = np.unique(self.timestamp, return_inverse=True)
        return line, column, (len(instants), len(symbols))

    @cached_property
    def rows_of(self) -> dict[str, Ints]:
        """Positions of each symbol's rows, in order of time."""
        names, place = np.unique(self.symbol.astype(str), return_inverse=True)
        groups = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
        return dict(zip(names.tolist(), groups, strict=True))


def successful_students(layout: RunLayout) -> list[RunRow]:
    """Return the rows of `student_runs.json` that succeeded; PhaseError if there are none."""
    rows = [row for row in read_rows(layout, Role.STUDENT) if row.status is Status.SUCCESS]
    if not rows:
        raise PhaseError(f"{layout.rows(Role.STUDENT)} holds no successful student, so there is nothing to judge")
    return rows


def pool(layout: RunLayout) -> tuple[pa.Table, dict[str, str]]:
    """Pool the predictions of every successful student, sorted by symbol and time; return them with their digests.

    PhaseError if a file is missing or differs from its recorded digest, or if two windows score the same bar.
    DataError for predictions that are not those of their metadata.
    """
    tables, digests = [], {}
    for row in successful_students(layout):
        folder = layout.artifact(row.window_label, Role.STUDENT)
        if not (folder / METADATA).is_file() or sha256_of(folder / METADATA) != row.metadata_sha256:
            raise PhaseError(f"{folder} is missing or not what {layout.rows(Role.STUDENT)} recorded; resume the run")
        metadata = read_model(folder / METADATA, StudentMetadata)
        table = read_scored(folder, metadata)
        digests[f"windows/{row.window_label}/student/{PREDICTIONS}"] = metadata.sha256[PREDICTIONS]
        tables.append(table.append_column("window", pa.array([row.window_label] * len(table))))
    try:
        table = pa.concat_tables(tables)
    except pa.ArrowInvalid as error:
        raise PhaseError(f"two students of {layout.folder} scored other columns: {error}; resume the run") from None
    table = table.sort_by([("symbol", "ascending"), ("timestamp", "ascending")])
    twice = table.group_by(["symbol", "timestamp"]).aggregate([("label", "count")])
    twice = twice.filter(pc.field("label_count") > 1)
    if len(twice):
        first = twice.slice(0, 1).to_pylist()[0]
        raise PhaseError(f"{first['symbol']} at {first['timestamp']} is scored by two windows; report this")
    return table, digests


def read_scored(folder: Path, metadata: StudentMetadata) -> pa.Table:
    """A student's scored rows. DataError if the file is missing, changed, damaged or holds another number of rows."""
    path, remedy = folder / PREDICTIONS, "resume the run"
    content = read_recorded(path, metadata.sha256, LARGEST_FILE_BYTES, remedy)
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        if file.metadata.num_rows != metadata.rows.get("scored"):
            raise DataError(f"{path} has {file.metadata.num_rows} rows, its {METADATA} counts others; {remedy}")
        table = file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is no table of predictions: {error}; {remedy}") from None
    for name, is_type in COLUMNS.items():
        if name not in table.column_names or not is_type(table[name].type) or table[name].null_count:
            raise DataError(f"{path} is no table of predictions: of its column {name}; {remedy}")
    return table


def load_rows(layout: RunLayout, sha256: str) -> Predictions:
    """Read the pooled rows of a validated run; PhaseError if the file is missing or has changed since."""
    path = layout.scored_rows
    if not path.is_file() or sha256_of(path) != sha256:
        raise PhaseError(f"{path} is missing or not what {layout.validation.name} was computed from; resume the run")
    return decode(pq.read_table(path))


def decode(table: pa.Table) -> Predictions:
    """Convert a pooled table to arrays."""

    def floats(name: str) -> Floats:
        return np.asarray(table[name], dtype=np.float64)

    return Predictions(
        symbol=np.asarray(table["symbol"].to_pylist(), dtype=object),
        timestamp=np.asarray(table["timestamp"].cast(pa.int64())),
        label_end=np.asarray(table["label_end"].cast(pa.int64())),
        day=np.asarray(table["session"].cast(pa.int32()), dtype=np.int64),
        y=floats("label"),
        forward_return=floats("forward_return"),
        **{name: floats(name) for name in (*MODELS, *BASELINES)},
        trade_above=np.asarray(table["trade_above"].fill_null(np.inf), dtype=np.float64),
        window=np.asarray(table["window"].to_pylist(), dtype=object),
    )
