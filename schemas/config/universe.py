"""The setting that names a universe by date; a setting of a run, too."""

from pathlib import Path

from pydantic import Field, field_validator

from schemas.contract.base import Frozen


class UniverseConfig(Frozen):
    """Which symbols belong when."""

    universe: str | None = Field(
        None,
        description="CSV file with the columns symbol, from, to: each symbol belongs from a day on until the day `to`;"
        " other rows are neither trained on nor scored (docs/data.md). If omitted: every symbol always belongs.",
        exclude_if=lambda path: path is None,
    )

    @field_validator("universe")
    @classmethod
    def _absolute(cls, path: str | None) -> str | None:
        """An absolute path, so that `predict` finds the file from another working folder."""
        return None if path is None else str(Path(path).absolute())
