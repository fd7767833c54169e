"""The manifest of a folder whose files are recorded by digest: an audit bundle or a release."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from schemas.files.layout import MANIFEST
from schemas.files.run_files import RESUME, read_model


class Sealed(BaseModel):
    """`manifest.json`: the SHA-256 of each file by its name, and the signer's fingerprint if it is signed.

    What heads it besides, such as the id of a release, is in `model_extra`.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    sha256: dict[str, str]
    signed_by: str | None = None


def read_sealed(folder: Path, *, remedy: str = RESUME) -> Sealed:
    """The manifest of a folder; FileError if it is missing or damaged."""
    return read_model(folder / MANIFEST, Sealed, remedy=remedy)
