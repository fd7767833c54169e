"""A list of files in the store: what the judging of a run reads, or what a copy of a run holds."""

from schemas.contract.base import Frozen


class ListedFiles(Frozen):
    """SHA-256 of each file by its key in the store."""

    files: dict[str, str]
