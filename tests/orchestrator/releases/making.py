"""Builds releases from a seed: bars, students, and a folder as after a deployment."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from orchestrator.audit.signed_manifest import seal
from orchestrator.releases.deployment import _switch
from orchestrator.releases.history import locked
from schemas.config.costs import Costs
from schemas.config.features import OWN_FEATURES, FeatureChoice
from schemas.config.file_options import FileOptions
from schemas.config.interval import Interval
from schemas.contract.artifact import StudentModel
from schemas.contract.release import Action, Entry, Environment, Golden, GoldenRow, Release, Served
from schemas.contract.window import WARMUP_BARS
from schemas.files.atomic import sha256_of, write_atomic
from schemas.files.layout import BarsLayout, ReleaseLayout
from schemas.files.run_files import write_model
from tests.strategies import serving
from workers.bars import store
from workers.bars.clean import to_table
from workers.bars.series import Floats, Series
from workers.features.chosen import features_of, names_of
from workers.features.frame import frame_of
from workers.features.registry import feature_names, model_features
from workers.models.base import sigmoid
from workers.models.logistic import Logistic
from workers.serving.features import probe
from workers.serving.golden import without_nan
from workers.serving.instants import instant

MICROSECONDS_PER_DAY = 24 * 3600 * 10**6
LAST_DAY = date(2024, 12, 31)
DAY_OF_LAST = (LAST_DAY - date(1970, 1, 1)).days


def walk(seed: int, bars: int, last_day: int = DAY_OF_LAST, per_session: int = 1) -> Series:
    """A random walk whose last session is `last_day`, with `per_session` bars in each session."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0.0, 0.018, bars)))
    opening = close * np.exp(rng.normal(0, 0.004, bars))
    place = np.arange(bars)
    session = last_day - (bars - 1) // per_session + place // per_session
    return Series(
        timestamp=session * MICROSECONDS_PER_DAY + place % per_session * 60 * 10**6,
        session=session,
        open=opening,
        high=np.maximum(opening, close) * (1 + rng.uniform(0, 0.01, bars)),
        low=np.minimum(opening, close) * (1 - rng.uniform(0, 0.01, bars)),
        close=close,
        volume=rng.integers(10_000, 90_000, bars).astype(np.float64),
    )


def store_bars(data_dir: Path, symbol: str, series: Series, interval: Interval = "1day") -> None:
    """Put bars where an ingestion would."""
    content = store.encode(to_table(series, np.ones(len(series))))
    write_atomic(BarsLayout.under(data_dir, interval).bars(symbol), content)


def student(seed: int, features: Sequence[str] = feature_names()) -> StudentModel:
    """A logistic student whose coefficients all differ from 0."""
    rng = np.random.default_rng(seed)
    return StudentModel(
        features=tuple(features),
        coefficients=tuple(rng.normal(0, 0.3, len(features)).tolist()),
        intercept=float(rng.normal()),
        fill=tuple(rng.normal(0, 0.1, len(features)).tolist()),
    )


def prediction_of(model: StudentModel, series: Series, intraday: bool = False) -> float:
    """A student's prediction for the last bar, computed as in training: one symbol, its whole history, SciPy."""
    return predicted(model, model_features(frame_of(series, intraday))[-1])


def inputs_of(
    histories: dict[str, Series], symbol: str, known: Series, feature_set: FeatureChoice, intraday: bool = False
) -> Floats:
    """Features of the last bar of `known`, computed as in training: over whole histories, of all symbols."""
    bars = histories if feature_set.compares else {symbol: known}
    result: Floats = features_of(bars, feature_set, intraday)[symbol][len(known) - 1]
    return result


def predicted(model: StudentModel, x: Floats) -> float:
    """A student's prediction for the features of one bar."""
    logistic = Logistic(np.asarray(model.coefficients), model.intercept, np.asarray(model.fill))
    return float(sigmoid(logistic.margin(x[None, :]))[0])


def make_release(
    release_dir: Path,
    histories: dict[str, Series],
    release_id: str = "run.0000",
    interval: Interval = "1day",
    live_in: Sequence[Environment] = ("staging",),
    seed: int = 0,
    approval_sha256: str = "0" * 64,
    columns: dict[str, str] | None = None,
    feature_set: FeatureChoice = OWN_FEATURES,
    label: str = "fixed",
) -> Release:
    """Build a complete release with one student per symbol, and link to it."""
    layout = ReleaseLayout(release_dir)
    folder = layout.release(release_id)
    served, golden = {}, {}
    for place, (symbol, series) in enumerate(histories.items()):
        model = student(seed + place, names_of(feature_set))
        write_model(folder / "students" / symbol / "model.json", model)
        write_model(folder / "students" / symbol / "serving.json", serving(symbol, trade_above=0.5))
        digests = {name: sha256_of(folder / "students" / symbol / name) for name in ("model.json", "serving.json")}
        served[symbol] = Served(
            folder=symbol,
            window=f"{symbol}_w",
            start=date(2024, 1, 1),
            end=date(2024, 6, 1),
            metadata_sha256="0" * 64,
            sha256=digests,
        )
        known = series.upto(min(len(series), 400))
        x = inputs_of(histories, symbol, known, feature_set, interval != "1day")
        golden[symbol] = (
            GoldenRow(
                time=instant(known.timestamp[-1]),
                inputs=without_nan(x),
                expected=predicted(model, x),
            ),
        )
    write_model(folder / "golden.json", Golden(features=names_of(feature_set), rows=golden))
    run_id = release_id.rpartition(".")[0]
    approval = Entry(
        seq=1, time=datetime(2025, 1, 1, tzinfo=UTC), action=Action.APPROVED, who="asha", account="asha",
        run_id=run_id, previous_sha256="0" * 64,
    )  # fmt: skip
    release = Release(
        release_id=release_id,
        run_id=run_id,
        approval=approval,
        approval_sha256=approval_sha256,
        basis="made for a test",
        file_options=FileOptions(columns=columns or {}),
        students=served,
        features=names_of(feature_set),
        panel=tuple(histories) if feature_set.compares else (),
        probe=without_nan(probe(feature_set)),
        versions={},
        warmup_bars=WARMUP_BARS,
        interval=interval,
        timezone="Asia/Kolkata",
        corporate_actions=None,
        horizon_bars=5,
        label=label,
        label_rule="",
        costs=Costs.FLAT,
        cost_bps=24.0,
        slippage_bps=5.0,
        order_value=1e5,
        cost_rates=(),
        golden_sha256=sha256_of(folder / "golden.json"),
    )
    write_model(folder / "release.json", release)
    seal(folder, {"release_id": release_id}, None)
    for environment in live_in:
        switch(layout, environment, release_id)
    return release


def switch(layout: ReleaseLayout, environment: Environment, release_id: str) -> None:
    """Make a release live without the checks of a deployment."""
    with locked(layout.history) as history:
        _switch(history, layout, environment, release_id, Action.DEPLOYING, "asha", "", None)
