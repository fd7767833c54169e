"""Predict the newest bars with the deployed students; symbols that cannot be predicted are refused with a reason."""

import csv
import io
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from schemas.config.bars import NO_CALENDAR, BarsSettings
from schemas.config.file_options import FileOptions
from schemas.config.interval import DAYS_PER_WEEK, Interval, is_intraday
from schemas.config.sources import split_source
from schemas.config.target import LOSSES, Target
from schemas.contract.errors import DataError, GurukulError, RequestError
from schemas.contract.release import OTHER_RELEASE, Prediction, Predictions, PredictRequest, Refusal, Release, Served
from schemas.contract.universe import Universe
from schemas.files.atomic import to_json, write_atomic
from schemas.files.layout import RELEASE, STUDENTS, BarsLayout, ReleaseLayout
from schemas.files.run_files import read_model
from schemas.files.sealed import read_sealed
from workers.bars import store
from workers.bars.calendar import day_number, day_of
from workers.bars.series import Series
from workers.models.apart import PATIENCE_S, ModelTrial
from workers.models.base import predicted
from workers.models.stored_student import StoredStudent
from workers.serving.features import Beside, newest_features
from workers.serving.golden import refuse_other_features
from workers.serving.instants import instant
from workers.serving.panel import NO_BARS, panel_inputs, refuse_few
from workers.serving.plugins import use_plugins_of
from workers.serving.side import newest_side, refuse_stale
from workers.serving.students import predictions_of, read_served
from workers.serving.universe import belongs_on, newest_universe, refuse_stranger
from workers.serving.weights import Scored, long_short_weights, long_weights
from workers.side.joined import SideData
from workers.side.universe import marked

# Largest accepted age of the newest bar in calendar days: a long weekend of daily bars, a night of shorter ones.
DAILY_AGE_DAYS, INTRADAY_AGE_DAYS = 5, 1
READERS = 8
# The field of a prediction that holds what was predicted.
FIELDS = {target: loss.prediction for target, loss in LOSSES.items()}

Read = Callable[[str], Series]


@dataclass(frozen=True)
class Ready:
    """A symbol that can be scored."""

    symbol: str
    served: Served
    student: StoredStudent
    series: Series


def predict(request: PredictRequest) -> Predictions:
    """Score every symbol that can be scored; `error` describes a fault of the whole release or request."""
    began = time.perf_counter()
    try:
        folder, release = _deployed(request)
        side, universe = newest_side(request, release), newest_universe(request, release)
        with tempfile.TemporaryDirectory(prefix="gurukul-bars-") as scratch:
            ready, refused, panel = _ready(request, folder, release, Path(scratch), side, universe)
        scored, flat, ranked = _scored(release, ready, panel, side)
        if request.symbols:
            scored = [each for each in scored if each.symbol in request.symbols]
            flat = [symbol for symbol in flat if symbol in request.symbols]
            refused = [each for each in refused if each.symbol in request.symbols]
        if request.out is not None:
            _write(Path(request.out), scored, release.target)
    except (GurukulError, OSError) as error:
        return Predictions(error=str(error))
    return Predictions(
        release_id=release.release_id,
        run_id=release.run_id,
        predictions=tuple(scored),
        refused=tuple(refused),
        ranked=ranked,
        flat=tuple(flat),
        seconds=time.perf_counter() - began,
    )


def oldest_age(interval: Interval, asked: int | None) -> int:
    """Largest accepted age of the newest bar, in calendar days."""
    if asked is not None:
        return asked
    week = DAYS_PER_WEEK if interval == "1week" else 0  # a bar's timestamp is its start
    return INTRADAY_AGE_DAYS if is_intraday(interval) else DAILY_AGE_DAYS + week


def _deployed(request: PredictRequest) -> tuple[Path, Release]:
    """The release that the environment serves, looked up once, so that a switch during the request has no effect."""
    link = ReleaseLayout(Path(request.release_dir)).current(request.environment)
    if not link.exists():
        raise RequestError(
            f"nothing is live in {request.environment}; first: `orchestrator deploy RUN_ID --to {request.environment}`"
        )
    folder = link.resolve()
    content = (folder / RELEASE).read_bytes()
    if sha256(content).hexdigest() != read_sealed(folder, remedy=OTHER_RELEASE).sha256.get(RELEASE):
        raise DataError(f"{folder / RELEASE} is not what its manifest recorded; roll back, or deploy again")
    release = read_model(folder / RELEASE, Release, remedy=OTHER_RELEASE)
    if release.release_id != folder.name:
        raise DataError(f"{folder / RELEASE} is of release {release.release_id}; roll back, or deploy again")
    use_plugins_of(release, request.data_dir)
    refuse_other_features(release)
    return folder, release


def _ready(
    request: PredictRequest, folder: Path, release: Release, scratch: Path, side: SideData, universe: Universe | None
) -> tuple[list[Ready], list[Refusal], dict[str, Series]]:
    """Symbols that can be scored, those that cannot, and the bars that features compare them with."""
    day = request.as_of or datetime.now(ZoneInfo(release.timezone)).date()
    members = [symbol for symbol in release.students if belongs_on(universe, symbol, day)]
    # A symbol's rank depends on all the others.
    ranked = members if release.label == "rank" else ()
    wanted = tuple(dict.fromkeys((*(request.symbols or members), *ranked)))
    # A symbol that is compared with others is read for them, and for itself.
    stored, age = _reader(request, release, scratch), oldest_age(release.interval, request.max_age_days)

    @cache
    def read(symbol: str) -> Series:
        return stored(symbol) if universe is None else marked(symbol, stored(symbol), universe)

    chosen = {symbol: release.students.get(symbol, release.unseen) for symbol in wanted}

    def student_in(served: Served) -> StoredStudent | DataError:
        try:
            return read_served(folder / STUDENTS / served.folder, served.sha256, release.features, trial)
        except DataError as error:
            return error

    def one(symbol: str) -> Ready | Refusal:
        served = chosen[symbol]
        try:
            if served is None:
                raise DataError(f"release {release.release_id} has no student for it")
            student = students[served.folder]
            if isinstance(student, DataError):
                raise student
            if symbol not in release.students and symbol in student.serving.offsets:
                raise DataError(f"release {release.release_id} does not serve it: {release.basis}")
            series = _fit(read(symbol), day, age, release.warmup_bars)
            refuse_stale(symbol, series, side)
            newest = day_of(series.session[-1])
            refuse_stranger(universe, symbol, newest)
            if release.panel:
                refuse_few(symbol, int(series.timestamp[-1]), panel, partial(belongs_on, universe, day=newest))
            return Ready(symbol, served, student, series)
        except DataError as error:
            return Refusal(symbol=symbol, reason=str(error))

    threads = ThreadPoolExecutor(min(READERS, os.cpu_count() or 1))
    # A release may come from another host, with digests of its own.
    with closing(ModelTrial(PATIENCE_S)) as trial, threads as pool:
        folders = {served.folder: served for served in chosen.values() if served is not None}
        panel = dict(zip(release.panel, pool.map(_or_no_bars(read), release.panel), strict=True))
        students = dict(zip(folders, pool.map(student_in, folders.values()), strict=True))
        found = list(pool.map(one, wanted))
    ready = [each for each in found if isinstance(each, Ready)]
    return ready, [each for each in found if isinstance(each, Refusal)], panel


def _or_no_bars(read: Read) -> Read:
    """`read`, with no bars for a symbol that has none here: the others are compared without it."""

    def one(symbol: str) -> Series:
        try:
            return read(symbol)
        except DataError:
            return NO_BARS

    return one


def _fit(series: Series, day: date, age_days: int, warmup_bars: int) -> Series:
    """Bars up to and of `day`; DataError if the newest is too old, or there are too few."""
    known = series.upto(int(np.searchsorted(series.session, day_number(day), "right")))
    if not len(known):
        raise DataError(f"it has no bar of {day} or before")
    newest = day_of(known.session[-1])
    if (day - newest).days > age_days:
        raise DataError(
            f"stale: its newest bar is of {newest}, {(day - newest).days} days before {day}; {age_days} are allowed"
            " (--max-age-days), or give an earlier --as-of"
        )
    if len(known) <= warmup_bars:
        raise DataError(f"too short: it has {len(known)} bars up to {day}, more than {warmup_bars} are needed")
    return known


def _reader(request: PredictRequest, release: Release, scratch: Path) -> Read:
    if request.source is None:
        bars = BarsLayout.under(request.data_dir, release.interval)

        def stored(symbol: str) -> Series:
            found = store.read(bars.bars(symbol))
            if found is None:
                raise DataError(f"{bars.bars(symbol)} is not there; `orchestrator ingest` stores bars")
            return found[0]

        return stored
    return _source_reader(request.source, request.data_dir, release, scratch)


def _source_reader(source: str, data_dir: str, release: Release, scratch: Path) -> Read:
    """Reader of bars in a folder, with the checks of an ingestion except for gaps, which need a calendar.

    Files are read with the options of the run.
    """
    from workers.bars.ingestion import assess
    from workers.bars.sources.registry import open_folder

    if split_source(source)[0].is_remote:
        step = f"store them with `orchestrator ingest --source {source}`, then leave --source out"
        raise RequestError(f"bars of {source} cannot be read directly; {step}")
    settings = BarsSettings(
        source=source, interval=release.interval, timezone=release.timezone, calendar=NO_CALENDAR,
        corporate_actions=release.corporate_actions, second_source=None, secrets_file=None, requests_per_minute=1.0,
        first=None, last=None, incremental=False, **release.file_options.model_dump(), second_options=FileOptions(),
    )  # fmt: skip
    names = set(open_folder(source, release.interval, release.timezone, release.file_options, scratch).symbols())

    def read(symbol: str) -> Series:
        if symbol not in names:
            raise DataError(f"{source} has no bars of it")
        assessed = assess(settings, symbol, data_dir, lambda: None, scratch)
        if assessed.ingested.rejected is not None:
            raise DataError(assessed.ingested.rejected.sentence)
        return store.decode(assessed.content)[0]

    return read


def _scored(
    release: Release, ready: list[Ready], panel: dict[str, Series], side: SideData
) -> tuple[list[Prediction], list[str], str]:
    """The predictions, the symbols whose student adds nothing, and a sentence on weights where they are ranks."""
    if not ready:
        return [], [], ""
    intraday = is_intraday(release.interval)
    if release.panel:
        x = panel_inputs(
            [(each.symbol, int(each.series.timestamp[-1])) for each in ready], panel, intraday, release.feature_set,
            side,
        )  # fmt: skip
    else:
        beside = Beside([each.symbol for each in ready], side)
        x = newest_features([each.series for each in ready], intraday, release.feature_set, beside)
    students, symbols = [each.student for each in ready], [each.symbol for each in ready]
    above = [each.student.trade_above(each.symbol) for each in ready]
    scored = Scored(
        prediction=predictions_of(students, symbols, x),
        prior=predicted(np.array([each.student.offset(each.symbol) for each in ready]), release.target),
        above=np.array([np.inf if each is None else each for each in above]),
        bar=np.array([each.series.timestamp[-1] for each in ready], dtype=np.int64),
        is_served=[symbol in release.students for symbol in symbols],
    )
    if release.label == "rank":
        weights, ranked = long_short_weights(scored, release.horizon_bars)
    else:
        weights, ranked = long_weights(scored, release.horizon_bars, len(release.students)), ""
    made = [
        Prediction(
            symbol=each.symbol,
            bar=instant(each.series.timestamp[-1]),
            session=(session := day_of(each.series.session[-1])),
            **{FIELDS[release.target]: float(scored.prediction[row])},
            trade_above=above[row],
            trade=bool(weights[row]) if ranked else bool(scored.prediction[row] > scored.above[row]),
            weight=weights[row],
            window=each.served.window,
            in_sample=session < each.served.end,
            unseen=each.symbol not in each.student.serving.offsets,
            release_id=release.release_id,
        )
        for row, each in enumerate(ready)
    ]
    return made, [symbols[row] for row in np.flatnonzero(scored.prediction == scored.prior)], ranked


def _write(path: Path, scored: list[Prediction], target: Target) -> None:
    """Write the predictions as .csv, .json or .parquet; refused symbols are left out."""
    rows = [each.model_dump(mode="json") for each in scored]
    if path.suffix == ".json":
        write_atomic(path, to_json(rows))
        return
    text = io.StringIO()
    absent = {field for each, field in FIELDS.items() if each != target}
    names = [name for name in Prediction.model_fields if name not in absent]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    if path.suffix == ".csv":
        write_atomic(path, text.getvalue())
    elif path.suffix == ".parquet":
        write_atomic(path, _parquet(text.getvalue()))
    else:
        raise RequestError(f"--out {path}: write to .csv, .json or .parquet")


def _parquet(text: str) -> bytes:
    # Through CSV: to make arrays of Python values pyarrow would load pandas.
    import pyarrow as pa
    import pyarrow.csv as arrow_csv
    import pyarrow.parquet as pq

    types = {
        "symbol": pa.string(), "bar": pa.timestamp("us", tz="UTC"), "session": pa.date32(),
        **dict.fromkeys(FIELDS.values(), pa.float64()), "trade_above": pa.float64(), "trade": pa.bool_(),
        "weight": pa.float64(),
        "window": pa.string(), "in_sample": pa.bool_(), "unseen": pa.bool_(), "release_id": pa.string(),
    }  # fmt: skip
    options = arrow_csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=False)
    table = arrow_csv.read_csv(pa.BufferReader(text.encode()), convert_options=options)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
