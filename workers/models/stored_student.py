"""Read a stored student of any model type: in a run's window or in a release. Loads no more than its type needs."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from schemas.contract.errors import DataError
from schemas.files.bounded import LARGEST_MODEL_BYTES, read_bounded
from workers.models.base import StoredModel
from workers.models.registry import stored_type


def read_student(folder: Path, digests: Mapping[str, str], fix: str = "resume the run") -> StoredModel:
    """Read the student in `folder`. DataError if its file is missing or is not the one in `digests`.

    `fix` is what the error asks the user to do.
    """
    try:
        model_type = stored_type(folder)
        path = folder / model_type.file_name
        content = read_bounded(path, LARGEST_MODEL_BYTES)
    except (DataError, FileNotFoundError) as error:
        raise DataError(f"{error}; {fix}") from None
    if sha256(content).hexdigest() != digests.get(path.name):
        raise DataError(f"{path} is not what was recorded; {fix}")
    try:
        return model_type.decode(content)
    except ValueError as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(f"{path} is not a model of kind {model_type.kind} ({reason}); {fix}") from None
