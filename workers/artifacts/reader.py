"""Read a window's stored teacher and its labels."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from schemas.contract.artifact import TeacherInputs, TeacherMetadata
from schemas.contract.errors import DataError, FileError
from schemas.files.atomic import sha256_of
from schemas.files.belonging import foreign_inputs
from schemas.files.bounded import (
    LARGEST_MODEL_BYTES,
    Unpacked,
    largest_labels_bytes,
    read_recorded,
)
from schemas.files.layout import LABELS, METADATA
from schemas.files.run_files import read_model
from workers.learning.splits import BLOCKS
from workers.models.base import Model
from workers.models.registry import type_of

if TYPE_CHECKING:  # `verify`, `explain` and a deployment read labels alone, without the learning stack
    from workers.learning.student import TeacherTargets

# Columns of the labels that students learn from: positions and bits of a row, and what its teacher predicts of it.
NUMBERS, OWN = ("row", "block", "fitted_by"), "teacher_out_of_fold"
OPINIONS = tuple(f"opinion_without_{number}" for number in range(BLOCKS))


@dataclass(frozen=True)
class StoredTeacher:
    """A stored teacher.

    `content` is the model's file; `offsets` maps each symbol of a panel to the logit that its predictions start from;
    `targets` are for the students of all its symbols; `sha256` is the digest of `metadata.json`.
    """

    model: Model
    content: bytes
    offsets: dict[str, float]
    targets: "TeacherTargets"
    sha256: str


def refuse_foreign_teacher(folder: Path, inputs: TeacherInputs) -> None:
    """DataError if the stored teacher is not that of `inputs`, which may lack symbols of a panel."""
    path, remedy = folder / METADATA, f"remove {folder.parent} and resume the run"
    if path.is_file() and (
        why := foreign_inputs(read_model(path, TeacherMetadata, remedy=remedy), inputs, some_bars=True)
    ):
        raise DataError(f"{folder} was not made by this run: {why}; {remedy}")


def read_teacher(folder: Path) -> StoredTeacher:
    """Read a stored teacher. DataError if there is none, or if a file was changed after training."""
    metadata_path, remedy = folder / METADATA, f"remove {folder.parent} and resume the run"
    if not metadata_path.is_file():
        raise DataError(f"{folder} holds no finished teacher; resume the run to train it")
    metadata = read_model(metadata_path, TeacherMetadata, remedy=remedy)
    model_type = type_of(metadata.settings.teacher)
    path = folder / model_type.file_name
    content = read_recorded(path, metadata.sha256, LARGEST_MODEL_BYTES, remedy)
    targets = _targets(folder, metadata)
    try:
        model, _ = model_type.decode(content)
    except ValueError as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(f"{path} is not a model of kind {model_type.kind} ({reason}); {remedy}") from None
    return StoredTeacher(model, content, metadata.offsets, targets, sha256_of(metadata_path))


def read_labels(folder: Path, metadata: TeacherMetadata) -> pa.Table:
    """Read `labels.csv.gz`: one row per training row. DataError if it is damaged, changed or too large."""
    text = _unpacked(folder, metadata).read()
    try:
        return arrow_csv.read_csv(io.BytesIO(text), convert_options=_conversion([]))
    except pa.ArrowException as error:
        raise _no_labels(folder, error) from None


def _targets(folder: Path, metadata: TeacherMetadata) -> "TeacherTargets":
    """The columns of `labels.csv.gz` that students learn from, without the text of all rows in memory at once."""
    from workers.learning.student import TeacherTargets

    without = OPINIONS if len(metadata.held_out) > BLOCKS else ()
    text = pa.PythonFile(_unpacked(folder, metadata), mode="r")
    try:
        with arrow_csv.open_csv(
            text,
            arrow_csv.ReadOptions(use_threads=False),
            convert_options=_conversion(["symbol", *NUMBERS, OWN, *without]),
        ) as rows:
            table = rows.read_all().combine_chunks()
    except pa.ArrowException as error:
        raise _no_labels(folder, error) from None
    pa.default_memory_pool().release_unused()
    names = table["symbol"].combine_chunks().dictionary_encode()
    row, block, fitted_by = (np.asarray(table[name]) for name in NUMBERS)
    return TeacherTargets(
        np.asarray(names.dictionary.to_pylist(), dtype=object)[np.asarray(names.indices)],
        row,
        block,
        fitted_by,
        np.asarray(table[OWN]),
        np.stack([np.asarray(table[name]) for name in without], axis=1) if without else None,
    )


def _unpacked(folder: Path, metadata: TeacherMetadata) -> Unpacked:
    path, largest_bytes = folder / LABELS, largest_labels_bytes(metadata.rows.get("total", 0))
    packed = read_recorded(path, metadata.sha256, largest_bytes, f"remove {folder.parent} and resume the run")
    return Unpacked(packed, largest_bytes, path)


def _conversion(columns: list[str]) -> arrow_csv.ConvertOptions:
    """How columns are read: `columns`, or all that there are."""
    types = {"symbol": pa.string()} | dict.fromkeys(NUMBERS, pa.int64()) | dict.fromkeys((OWN, *OPINIONS), pa.float64())
    return arrow_csv.ConvertOptions(column_types=types, include_columns=columns, strings_can_be_null=False)


def _no_labels(folder: Path, error: Exception) -> FileError:
    return FileError(f"{folder / LABELS} is no table of labels: {error}; remove {folder.parent} and resume the run")
