"""Writes a run's folder as training leaves it, with real files and students of a chosen skill."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.signal import lfilter
from scipy.special import expit, logit
from scipy.stats import norm

from schemas.config.run import RunConfig
from schemas.config.training import RETURN
from schemas.contract.artifact import Certificate, Fidelity, RunManifest, RunRow, StudentMetadata
from schemas.contract.task import FailureClass, Role, Status
from schemas.contract.trials import TrialCount
from schemas.contract.window import SkipReason, Window
from schemas.files.atomic import sha256_of, write_atomic
from schemas.files.layout import BarsLayout, RunLayout
from schemas.files.run_files import write_model, write_rows
from tests.known import coverage_of, table_of
from tests.strategies import MICROSECONDS_PER_DAY, training_settings, weekdays
from workers.bars import store
from workers.bars.calendar import day_number, day_of
from workers.bars.series import Floats, Ints, Series

FIRST = date(2019, 1, 1)
WARM = 160
SIGMA, MEMORY = 0.02, 0.8
RUN = "judged"


def stored_run(
    data: Path, *, signal: float = 0.0, days: int = 500, symbols: int = 4, seed: int = 0, failed: int = 0,
    skipped: Mapping[SkipReason, int] | None = None, leak: str | None = None,
    alone: float = 0.5, flat: bool = False, run_id: str = RUN, **config: Any,
) -> RunLayout:  # fmt: skip
    """A day's return is `signal` deviations times what the students see of it, plus noise; 0: nothing of use.

    With `flat` students predict the base rate. The student that has no teacher sees `alone` of the
    signal's log odds. Labels are whether a day gains from open to close, with `label="return"` how much.
    """
    rng = np.random.default_rng(seed)
    layout = RunLayout.under(data, run_id)
    values = {"source": "csv:x", "start_date": FIRST, "end_date": date(2024, 1, 1), "horizon": 1, "threshold": 0.0}
    settings = RunConfig(**(values | {"data_dir": str(data)} | config))
    names = [f"S{number}" for number in range(symbols)]
    coverage, students, teachers = [], [], []
    for name in names:
        series, seen = _market(days, signal, rng)
        path = BarsLayout.under(data, "1day").bars(name)
        write_atomic(path, store.encode(_table(series)))
        coverage.append(coverage_of(name, [day_of(day) for day in series.session], sha256=sha256_of(path)))
        for half in (slice(WARM, (WARM + days) // 2), slice((WARM + days) // 2, days - 1)):
            label = f"{name}_{half.start}"
            t0, of_values = np.arange(half.start, half.stop), settings.label == RETURN
            predictions = _predictions(name, series, seen, signal, alone, t0, flat, of_values, rng)
            students.append(_student(layout, label, name, predictions))
            teachers.append(_teacher(layout, label, name, leak))
    students += [_row(Role.STUDENT, f"F_{i}", "S0", Status.FAILED) for i in range(failed)]
    for reason, count in (skipped or {}).items():
        students += [_row(Role.STUDENT, f"K_{reason}_{i}", "S0", Status.SKIPPED, reason=reason) for i in range(count)]
    write_rows(layout, Role.STUDENT, students)
    write_rows(layout, Role.TEACHER, teachers)
    manifest = RunManifest(
        run_id=run_id, created=datetime(2025, 1, 1, tzinfo=UTC), config=settings, devices=(),
        bars=table_of(*coverage), plan=(), versions={},
    )  # fmt: skip
    write_model(layout.manifest, manifest)
    tried(layout)
    return layout


def tried(layout: RunLayout, **counted: Any) -> None:
    """Write `trials.json` of a run: by default it is the first configuration that was tried."""
    first: dict[str, Any] = {"configurations": 1, "elsewhere": 0, "selections": 1, "looks": 0, "judged_until": None}
    first["opened_from"] = None
    first |= {"others": (), "notes": ()}
    write_model(layout.trials, TrialCount(**(first | counted)))


def _market(days: int, signal: float, rng: np.random.Generator) -> tuple[Series, Floats]:
    # The signal lasts some days, so that a trade made one day late still earns something.
    seen = lfilter([np.sqrt(1 - MEMORY**2)], [1.0, -MEMORY], rng.normal(size=days))
    gains = SIGMA * (signal * np.concatenate([[0.0], seen[:-1]]) + rng.normal(size=days))
    close = 100.0 * np.exp(np.cumsum(gains))
    opening = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(opening, close) * (1 + rng.uniform(0, 0.01, days))
    low = np.minimum(opening, close) * (1 - rng.uniform(0, 0.01, days))
    session = np.array([day_number(day) for day in weekdays(FIRST, days)], dtype=np.int64)
    volume = np.floor(np.exp(rng.normal(11, 0.5, days)))
    return Series(session * MICROSECONDS_PER_DAY, session, opening, high, low, close, volume), seen


def _predictions(
    name: str,
    series: Series,
    seen: Floats,
    signal: float,
    alone: float,
    t0: Ints,
    flat: bool,
    of_values: bool,
    rng: np.random.Generator,
) -> pa.Table:
    forward = series.close[t0 + 1] / series.open[t0 + 1] - 1.0
    odds = logit(norm.cdf(signal * seen[t0])) if signal else 0.3 * rng.normal(size=len(t0))
    odds = np.zeros(len(t0)) if flat else odds
    if of_values:
        odds = SIGMA * (signal * seen[t0] if signal else 0.3 * odds)
    link = (lambda values: values) if of_values else expit
    instant = pa.timestamp("us", tz="UTC")
    day = pa.array(series.session[t0].astype(np.int32)).cast(pa.date32())
    return pa.table(
        {
            "symbol": pa.array([name] * len(t0)),
            "timestamp": pa.array(series.timestamp[t0]).cast(instant),
            "label_end": pa.array(series.timestamp[t0 + 1]).cast(instant),
            "session": day,
            "label_end_session": pa.array(series.session[t0 + 1].astype(np.int32)).cast(pa.date32()),
            "label": np.log1p(forward) if of_values else (forward > 0).astype(np.int8),
            "forward_return": forward,
            "student": link(odds),
            "alone": link(alone * odds),
            "teacher": link(0.9 * odds),
            "logistic": link(alone * odds),
            "prior": link(np.zeros(len(t0))),
            "window_share": link(np.zeros(len(t0))),
            "trade_above": pa.array([0.004 if of_values else 0.6] * len(t0), pa.float64()),
        }
    )


def _student(layout: RunLayout, label: str, symbol: str, predictions: pa.Table) -> RunRow:
    folder = layout.artifact(label, Role.STUDENT)
    folder.mkdir(parents=True)
    pq.write_table(predictions, folder / "predictions.parquet")
    day = date(2020, 1, 1)
    metadata = StudentMetadata(
        window=Window(symbol=symbol, start=day, end=day, score_end=day),
        settings=training_settings(),
        bars_sha256={},
        teacher_sha256="",
        versions={},
        key=label,
        features=(),
        rows={"scored": len(predictions)},
        priors={symbol: 0.5},
        window_shares={symbol: 0.5},
        label_counts={},
        trade_above={symbol: None},
        fidelity=Fidelity(
            rows=1, agreement=None, rank_correlation=None, mean_difference=0.0, mean_absolute_difference=0.0,
            log_loss=0.7, log_loss_without_teacher=0.7, teacher_log_loss=0.7, prior_log_loss=0.7, model_bytes=1,
        ),
        metrics={},
        sha256={"predictions.parquet": sha256_of(folder / "predictions.parquet")},
    )  # fmt: skip
    write_model(folder / "metadata.json", metadata)
    return _row(Role.STUDENT, label, symbol, Status.SUCCESS, metadata_sha256=sha256_of(folder / "metadata.json"))


def _teacher(layout: RunLayout, label: str, symbol: str, leak: str | None) -> RunRow:
    folder = layout.artifact(label, Role.TEACHER)
    folder.mkdir(parents=True)
    found = Certificate(window_label=label, rows=100, models=11, spans_checked=700, violations=(leak,) if leak else ())
    write_model(folder / "certificate.json", found)
    write_atomic(folder / "feature_importance.csv", "feature,importance,rank\nreturn_5,0.7,1\nrsi_14,0.3,2\n")
    return _row(Role.TEACHER, label, symbol, Status.SUCCESS)


def _row(role: Role, label: str, symbol: str, status: Status, **details: Any) -> RunRow:
    return RunRow(
        run_id=RUN, role=role, window_label=label, symbol=symbol, start=FIRST, end=date(2019, 7, 1), status=status,
        failure=FailureClass.BUG if status is Status.FAILED else None,
        metrics={"scored_log_loss": 0.69, "scored_prior_log_loss": 0.6931}, **details,
    )  # fmt: skip


def _table(series: Series) -> pa.Table:
    return pa.table(
        {
            "timestamp": pa.array(series.timestamp).cast(pa.timestamp("us", tz="UTC")),
            "session": pa.array(series.session.astype(np.int32)).cast(pa.date32()),
            **{name: getattr(series, name) for name in ("open", "high", "low", "close", "volume")},
            "factor": np.ones(len(series)),
        }
    )
