"""Read a stored student of any model type: in a run's window or in a release. Loads no more than its type needs."""

from collections.abc import Mapping
from pathlib import Path

from schemas.contract.errors import DataError
from schemas.files.bounded import LARGEST_MODEL_BYTES, read_recorded
from schemas.files.layout import MODEL_UBJ
from workers.models.apart import ModelTrial
from workers.models.base import StoredModel
from workers.models.registry import stored_type


def read_student(
    folder: Path, digests: Mapping[str, str], fix: str = "resume the run", trial: ModelTrial | None = None
) -> StoredModel:
    """Read the student in `folder`. DataError if its file is missing or is not the one in `digests`.

    `fix` is what the error asks the user to do. `trial` reads XGBoost's files first where the digests may be of the
    same origin as the model.
    """
    try:
        model_type = stored_type(folder)
        path = folder / model_type.file_name
    except DataError as error:
        raise DataError(f"{error}; {fix}") from None
    content = read_recorded(path, digests, LARGEST_MODEL_BYTES, fix)
    if trial is not None and path.name == MODEL_UBJ:
        trial.refuse_unreadable(content, str(path))
    try:
        return model_type.decode(content)
    except ValueError as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(f"{path} is not a model of kind {model_type.kind} ({reason}); {fix}") from None
