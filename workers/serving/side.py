"""The newest side data for a release's features: files of today, read as those of the run were."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from schemas.config.side import SideConfig
from schemas.contract.errors import DataError, FileError, RequestError
from schemas.contract.release import PredictRequest, Release
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest
from workers.bars.series import Series
from workers.serving.instants import instant
from workers.side.joined import NO_SIDE, SideData
from workers.side.reading import read


def newest_side(request: PredictRequest, release: Release) -> SideData:
    """The side data that a release's features read; RequestError for a file that is missing or cannot be used.

    Files are those of the request, else those that the run has recorded, as they are now.
    """
    choice = release.feature_set.side
    names = [each.name for each in choice.files] if choice is not None else []
    for name in request.side:
        if name not in names:
            raise RequestError(f"--side {name}: release {release.release_id} reads no side data of that name")
    if choice is None:
        return NO_SIDE
    paths = _recorded(release, request.data_dir) | request.side
    tables = {}
    for file in choice.files:
        if file.name not in paths or not Path(paths[file.name]).is_file():
            missing = f"{paths[file.name]} is missing" if file.name in paths else "this host has no record of its file"
            raise RequestError(f"side data {file.name}: {missing}; give --side {file.name}=FILE")
        found = read(file.of(paths[file.name]), release.timezone)
        if found.table.columns != file.columns or found.table.by_symbol is not file.by_symbol:
            raise RequestError(
                f"{paths[file.name]} has other columns than the run's side data {file.name}:"
                f" {', '.join(file.columns)}{' by symbol' if file.by_symbol else ''}"
            )
        tables[file.name] = found.table
    return SideData(tables, choice.calendar, choice.interval)


def refuse_stale(symbol: str, series: Series, side: SideData) -> None:
    """DataError if the newest value that is known at the last bar's decision is older than its file allows."""
    decided = int(side.decisions(series)[-1])
    for name, table in side.tables.items():
        age = table.age_us(symbol, decided)
        if age is not None and table.max_age_us is not None and age > table.max_age_us:
            raise DataError(
                f"stale: the newest value of side data {name} that is known at {instant(decided):%Y-%m-%d %H:%M} UTC is"
                f" of {instant(decided - age):%Y-%m-%d %H:%M} UTC, {timedelta(microseconds=age)} before;"
                f" {timedelta(microseconds=table.max_age_us)} are allowed"
            )


def _recorded(release: Release, data_dir: str) -> dict[str, str]:
    """The paths that the release's run was given, where this host has its record."""
    with suppress(FileError):
        config: SideConfig = read_manifest(RunLayout.under(data_dir, release.run_id)).config
        return {each.name: each.path for each in config.side_requests}
    return {}
