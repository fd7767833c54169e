"""Read a stored student of any model type: in a run's window or in a release. Loads no more than its type needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from schemas.contract.artifact import Serving
from schemas.contract.errors import DataError
from schemas.contract.received import first_fault
from schemas.files.bounded import LARGEST_FILE_BYTES, LARGEST_MODEL_BYTES, read_recorded
from schemas.files.layout import SERVING
from workers.bars.series import Floats
from workers.devices.arrays import Array
from workers.models.apart import ModelTrial
from workers.models.base import Model, predicted
from workers.models.registry import stored_type


@dataclass(frozen=True)
class StoredStudent:
    """A stored student: its model, the names of its inputs, what each symbol adds, and its teacher if used."""

    model: Model
    features: tuple[str, ...]
    serving: Serving
    teacher: Model | None

    @cached_property
    def parts(self) -> tuple[Model, ...]:
        """The models whose margins are added."""
        return (self.model,) if self.teacher is None else (self.model, self.teacher)

    def offset(self, symbol: str) -> float:
        """Logit of the base rate of a symbol, or of the panel for one that the student has not seen."""
        return self.serving.offsets.get(symbol, self.serving.panel_offset)

    def trade_above(self, symbol: str) -> float | None:
        """Probability above which a trade of the symbol pays; the panel's for one that the student has not seen."""
        return self.serving.trade_above.get(symbol, self.serving.panel_trade_above)

    def margin(self, x: Floats) -> Floats:
        """What each row of `x`, shape (rows, features), adds to its symbol's offset, as a logit."""
        result = self.model.margin(x)
        return result if self.teacher is None else result + self.teacher.margin(as_teacher_sees(x))

    def predict(self, x: Floats, symbol: str) -> Floats:
        """Probability of class 1, or the value, for each row of `x`, shape (rows, features), of a symbol."""
        return predicted(self.offset(symbol) + self.margin(x), self.serving.target)


def as_teacher_sees(x: Floats) -> Array:
    """Inputs in the precision that teachers are fitted on."""
    return x.astype(np.float32)


def read_student(
    folder: Path, digests: Mapping[str, str], fix: str = "resume the run", trial: ModelTrial | None = None
) -> StoredStudent:
    """Read the student in `folder`. DataError if a file of it is missing or is not the one in `digests`.

    `fix` is what the error asks the user to do. `trial` reads fragile files first where the digests may be of the
    same origin as the model.
    """
    try:
        model_type = stored_type(folder)
        path = folder / model_type.file_name
    except DataError as error:
        raise DataError(f"{error}; {fix}") from None
    content = _read(path, model_type, digests, fix, trial)
    try:
        model, features = model_type.decode(content)
    except ValueError as error:
        raise _unreadable(path, f"a model of kind {model_type.kind}", error, fix) from None
    served = folder / SERVING
    try:
        serving = Serving.model_validate_json(read_recorded(served, digests, LARGEST_FILE_BYTES, fix))
    except ValidationError as error:
        raise DataError(f"{served}: {first_fault(error)}; {fix}") from None
    return StoredStudent(model, features, serving, _teacher(folder, serving, digests, fix, trial))


def _teacher(
    folder: Path, serving: Serving, digests: Mapping[str, str], fix: str, trial: ModelTrial | None
) -> Model | None:
    if not serving.teacher_factor:
        return None
    try:
        model_type = stored_type(folder, "teacher")
    except DataError as error:
        raise DataError(f"{error}; {fix}") from None
    path = folder / model_type.teacher_file()
    content = _read(path, model_type, digests, fix, trial)
    try:
        model, _ = model_type.decode(content)
    except ValueError as error:
        raise _unreadable(path, "a teacher", error, fix) from None
    return model.scaled(serving.teacher_factor)


def _read(path: Path, model_type: type[Model], digests: Mapping[str, str], fix: str, trial: ModelTrial | None) -> bytes:
    content = read_recorded(path, digests, LARGEST_MODEL_BYTES, fix)
    if trial is not None and model_type.is_fragile:
        trial.refuse_unreadable(content, str(path), model_type.kind)
    return content


def _unreadable(path: Path, what: str, error: ValueError, fix: str) -> DataError:
    reason = str(error).strip().partition("\n")[0]
    return DataError(f"{path} is not {what} ({reason}); {fix}")
