"""A list of files in the store: what the judging of a run reads, or what a copy of a run holds."""

from typing import Annotated

from pydantic import AfterValidator

from schemas.contract.base import Frozen


def check_key(key: str) -> str:
    """Return `key` unchanged; ValueError unless it is a path that stays below the folder which it is put in."""
    if "\0" in key or not all(part and part[0] != "." for part in key.split("/")):
        raise ValueError(f"the key {key[:80]!r} leads out of a data folder, or is that of no file of a run")
    return key


class ListedFiles(Frozen):
    """SHA-256 of each file by its key in the store."""

    files: dict[Annotated[str, AfterValidator(check_key)], str]
