"""Golden vectors: rows of a run with their stored scores, scored again by the code that serves."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.config.features import CROSS_SECTION_FEATURES, OWN_FEATURES
from schemas.config.interval import is_intraday
from schemas.contract.artifact import StudentMetadata
from schemas.contract.errors import DataError, GurukulError
from schemas.contract.release import (
    GOLDEN_TOLERANCE,
    OTHER_RELEASE,
    Golden,
    GoldenCheck,
    GoldenChecked,
    GoldenMade,
    GoldenRequest,
    GoldenRow,
    Release,
)
from schemas.files.atomic import sha256_of
from schemas.files.layout import GOLDEN, METADATA, PREDICTIONS, RELEASE, STUDENTS
from schemas.files.run_files import read_model
from workers.bars import store
from workers.bars.series import Floats, Ints, Series
from workers.features.chosen import names_of
from workers.models.apart import PATIENCE_S, ModelTrial
from workers.models.stored_student import StoredStudent
from workers.serving.features import Beside, newest_features, probe
from workers.serving.instants import instant
from workers.serving.panel import panel_inputs
from workers.serving.plugins import use_plugins_of
from workers.serving.students import predictions_of, read_served
from workers.side.store import use_side_of
from workers.side.universe import with_members

ROWS_PER_SYMBOL = 4


def make(request: GoldenRequest) -> GoldenMade:
    """Make vectors from the run's predictions and the stored bars; `error` if a score is not reproduced."""
    use_side_of(request.data_dir)
    try:
        metadata = [read_model(Path(folder) / METADATA, StudentMetadata) for folder in request.students.values()]
        # Students of one run have the settings and the panel of the run.
        settings, symbols = metadata[0].settings, sorted(metadata[0].label_counts)
        chosen = settings.feature_set
        panel = {name: _bars(request, name, settings.members)[0] for name in symbols} if chosen.compares else {}
        rows = {symbol: _made(request, symbol, Path(folder), panel) for symbol, folder in request.students.items()}
        golden, probed = Golden(features=names_of(chosen), rows=rows), probe(chosen)
    except GurukulError as error:
        return GoldenMade(error=str(error))
    other = None if chosen in (OWN_FEATURES, CROSS_SECTION_FEATURES) else chosen
    return GoldenMade(golden=golden, probe=without_nan(probed), panel=tuple(panel), chosen=other)


def check(request: GoldenCheck) -> GoldenChecked:
    """Score every vector of a release with its student, and compare the features of the probe's bars."""
    folder = Path(request.release)
    try:
        release = read_model(folder / RELEASE, Release, remedy=OTHER_RELEASE)
        golden = read_model(folder / GOLDEN, Golden, remedy=OTHER_RELEASE)
        use_plugins_of(release, request.data_dir)
        refuse_other_features(release)
        students, symbols, inputs, expected = [], [], [], []
        read: dict[str, StoredStudent] = {}
        with closing(ModelTrial(PATIENCE_S)) as trial:
            for symbol, served in release.students.items():
                if not golden.rows.get(symbol):
                    raise DataError(f"{folder / GOLDEN} has no vector of {symbol}")
                if any(len(row.inputs) != len(release.features) for row in golden.rows[symbol]):
                    raise DataError(f"{folder / GOLDEN} has not one value per feature of {symbol}")
                if served.folder not in read:
                    read[served.folder] = read_served(
                        folder / STUDENTS / served.folder, served.sha256, release.features, trial
                    )
                for row in golden.rows[symbol]:
                    students.append(read[served.folder])
                    symbols.append(symbol)
                    inputs.append(row.inputs)
                    expected.append(row.expected)
    except GurukulError as error:
        return GoldenChecked(error=str(error))
    found = predictions_of(students, symbols, np.array(inputs, dtype=np.float64))
    difference = float(differences(found, np.array(expected)).max(initial=0.0))
    return GoldenChecked(vectors=len(expected), largest_difference=difference)


def refuse_other_features(release: Release) -> None:
    """DataError if this program computes other features from the same bars than the one that built the release."""
    now = names_of(release.feature_set)
    same = release.features == now and len(release.probe) == len(now)
    if not same or not np.allclose(
        np.array(release.probe, dtype=np.float64),
        probe(release.feature_set),
        rtol=1e-9,
        atol=GOLDEN_TOLERANCE,
        equal_nan=True,
    ):
        raise DataError(
            f"release {release.release_id} was built with other features than this program makes;"
            " use the program that built it, or train again"
        )


def without_nan(values: Floats) -> tuple[float | None, ...]:
    """Values with None for NaN, which JSON cannot hold."""
    return tuple(value if np.isfinite(value) else None for value in values.tolist())


def _made(request: GoldenRequest, symbol: str, folder: Path, panel: Mapping[str, Series]) -> tuple[GoldenRow, ...]:
    """Vectors of a symbol; `panel` has the bars that its features compare, and is empty if they compare none."""
    metadata = read_model(folder / METADATA, StudentMetadata)
    chosen = metadata.settings.feature_set
    names = names_of(chosen)
    student, path = read_served(folder, metadata.sha256, names), folder / PREDICTIONS
    if not path.is_file() or sha256_of(path) != metadata.sha256[PREDICTIONS]:
        raise DataError(f"{path} is not what {METADATA} recorded; `orchestrator verify` names all that changed")
    table = pq.ParquetFile(path).read(["symbol", "timestamp", "student"])
    table = table.filter(pc.equal(table["symbol"], symbol))
    places = np.unique(np.linspace(0, len(table) - 1, ROWS_PER_SYMBOL).astype(np.int64))
    times = store.values(table["timestamp"], pa.int64())[places]
    expected = store.values(table["student"])[places]
    series, bars = _bars(request, symbol, metadata.settings.members)
    histories, intraday = list(_histories(series, times, bars)), is_intraday(request.interval)
    if not panel:
        x = newest_features(histories, intraday, chosen, Beside([symbol] * len(histories)))
    else:
        x = panel_inputs([(symbol, int(time)) for time in times], panel, intraday, chosen)
    return tuple(_compared(symbol, bars, student, times, x, expected))


def _bars(request: GoldenRequest, symbol: str, members: str | None) -> tuple[Series, Path]:
    path = Path(request.bars[symbol])
    stored = store.read(path)
    if stored is None:
        raise DataError(f"{path} is gone: golden vectors are made from it; ingest its bars again")
    return with_members(symbol, stored[0], members), path


def _histories(series: Series, times: Ints, path: Path) -> Iterator[Series]:
    """The history up to each of `times`, where that bar is the newest one."""
    for time in times:
        place = int(np.searchsorted(series.timestamp, time))
        if place == len(series) or series.timestamp[place] != time:
            raise DataError(f"{path} has no bar of {instant(time)}, which the run scored; its bars were replaced")
        yield series.upto(place + 1)


def differences(found: Floats, expected: Floats) -> Floats:
    """Differences of predictions, those of values above 1 as shares of what is expected."""
    result: Floats = np.abs(found - expected) / np.maximum(np.abs(expected), 1.0)
    return result


def _compared(
    symbol: str, bars: Path, student: StoredStudent, times: Ints, x: Floats, expected: Sequence[float] | Floats
) -> Iterator[GoldenRow]:
    found = predictions_of([student] * len(times), [symbol] * len(times), x)
    apart = differences(found, np.asarray(expected))
    for time, inputs, then, now, difference in zip(times, x, expected, found, apart, strict=True):
        if not difference <= GOLDEN_TOLERANCE:
            raise DataError(
                f"{symbol} at {instant(time)}: the run predicted {then:.15g}, the serving code predicts {now:.15g};"
                f" {bars} or the code has changed since; train it again"
            )
        yield GoldenRow(time=instant(time), inputs=without_nan(inputs), expected=float(then))
