"""The newest universe of a release: its file of today."""

from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

from schemas.contract.errors import DataError, FileError, RequestError
from schemas.contract.release import PredictRequest, Release
from schemas.contract.universe import Universe
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest
from schemas.files.universe import read_universe


def newest_universe(request: PredictRequest, release: Release) -> Universe | None:
    """Who belongs today; None for a release without a universe. RequestError for a file that is missing or faulty.

    The file is that of the request, else the one that the run has recorded, as it is now.
    """
    if release.members is None:
        if request.universe is not None:
            raise RequestError(f"--universe: release {release.release_id} has no universe; leave it out")
        return None
    path = request.universe
    if path is None:
        with suppress(FileError):
            path = read_manifest(RunLayout.under(request.data_dir, release.run_id)).config.universe
    if path is None or not Path(path).is_file():
        missing = "this host has no record of its file" if path is None else f"{path} is missing"
        raise RequestError(f"the universe of release {release.release_id}: {missing}; give --universe FILE")
    return read_universe(path)


def belongs_on(universe: Universe | None, symbol: str, day: date) -> bool:
    """Whether a symbol belongs on a day; always without a universe."""
    return universe is None or bool(universe.spans(symbol, day, day + timedelta(days=1)))


def refuse_stranger(universe: Universe | None, symbol: str, day: date) -> None:
    """DataError if a symbol does not belong on a day."""
    if not belongs_on(universe, symbol, day):
        raise DataError(f"it does not belong to the universe on {day}")
