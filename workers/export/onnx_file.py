"""Writes a window's student or teacher as an ONNX file, after its predictions were compared with the stored model's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from schemas.config.target import CLASS, VALUE, Target
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import DataError, GurukulError, RequestError
from schemas.contract.requests import OnnxRequest, OnnxWritten, WindowQuestion
from schemas.contract.task import Role
from schemas.files.atomic import write_atomic
from schemas.files.layout import RunLayout
from workers.artifacts.reader import read_teacher
from workers.bars.series import Floats
from workers.export.onnx_graph import onnx_of
from workers.features.chosen import names_of
from workers.inspection.explanation import StoredWindow, stored_window
from workers.inspection.feature_matrix import window_table
from workers.inspection.run_lookup import manifest_of
from workers.models.base import Model
from workers.models.stored_student import as_teacher_sees, read_student
from workers.plugins.loading import use_plugins
from workers.scoring.family import FAMILIES
from workers.side.store import use_side_of

# Largest accepted difference of a prediction: trees in ONNX add their leaves in single precision. That of a value is a
# share of the largest value.
TOLERANCE = 1e-6
DIFFERENCES: dict[Target, str] = {CLASS: "probability", VALUE: "value, as a share of the largest"}


def write_onnx(request: OnnxRequest) -> OnnxWritten:
    """Write the file; `error` if the model has no graph, or differs from it by more than TOLERANCE on any row."""
    try:
        manifest, layout = manifest_of(request)
        target = manifest.config.training().target
        use_plugins(manifest.config.plugins)
        use_side_of(request.data_dir)
        stored = stored_window(WindowQuestion(data_dir=request.data_dir, run_id=request.run_id, label=request.label))
        rows = window_table(stored, manifest, request.data_dir)
        names = names_of(manifest.config.training().feature_set)
        x = np.column_stack([np.asarray(rows[name], dtype=np.float64) for name in names])
        symbols = rows["symbol"].to_pylist()
        exported = _teacher(stored, names) if request.role is Role.TEACHER else _student(stored, manifest, layout)
        offset = np.array([exported.offsets[symbol] for symbol in symbols])
        expected = FAMILIES[target].prediction(offset + exported.margin(x))
        content = onnx_of(exported.models, names, _facts(manifest, request, exported.offsets), target)
        difference = largest_difference(content, x, offset, expected)
        difference /= 1.0 if target == CLASS else float(np.abs(expected).max()) or 1.0
        if not difference <= TOLERANCE:
            raise DataError(
                f"the ONNX graph differs from the stored {request.role} by {difference:.2g} in a {DIFFERENCES[target]},"
                f" at most {TOLERANCE:g} is accepted; nothing was written, report this"
            )
        write_atomic(Path(request.out), content)
    except GurukulError as error:
        return OnnxWritten(error=str(error))
    except OSError as error:
        return OnnxWritten(error=f"{request.out} cannot be written: {error.strerror}")
    kinds = tuple(model.kind for model in exported.models.values())
    return OnnxWritten(rows=len(rows), features=names, kinds=kinds, difference=difference, of=DIFFERENCES[target])


def largest_difference(content: bytes, x: Floats, offset: Floats, expected: Floats) -> float:
    """The largest difference between what onnxruntime computes and the expected predictions; NaN if one is NaN."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"features": x, "offset": offset})
    return float(np.abs(found - expected).max())


class _Exported(NamedTuple):
    """The models whose margins a graph adds, the offset of each symbol, and what the stored model adds to it itself."""

    models: dict[str, Model]
    offsets: dict[str, float]
    margin: Callable[[Floats], Floats]


def _student(stored: StoredWindow, manifest: RunManifest, layout: RunLayout) -> _Exported:
    label = stored.window.in_scope(manifest.config.training().scope_of_students).label
    student = read_student(layout.artifact(label, Role.STUDENT), stored.student.sha256)
    models = {"student": student.model} | ({} if student.teacher is None else {"teacher": student.teacher})
    return _Exported(models, student.serving.offsets, student.margin)


def _teacher(stored: StoredWindow, names: tuple[str, ...]) -> _Exported:
    if stored.teacher.features != names:
        raise RequestError("a privileged teacher reads what is not known at a decision, so it is of no use elsewhere")
    teacher = read_teacher(stored.teacher_folder)
    return _Exported({"teacher": teacher.model}, teacher.offsets, lambda x: teacher.model.margin(as_teacher_sees(x)))


def _facts(manifest: RunManifest, request: OnnxRequest, offsets: dict[str, float]) -> dict[str, str]:
    """What a reader of the file needs: the offset of each symbol, and where the model comes from."""
    return {
        "offsets": json.dumps(offsets), "run_id": manifest.run_id, "window": request.label, "role": request.role.value,
    }  # fmt: skip
