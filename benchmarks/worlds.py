"""Judges whole runs in generated worlds: random walks without a signal, and markets with a planted signal.

    python -m benchmarks.worlds --seeds 200                  # without a signal
    python -m benchmarks.worlds --seeds 10 --world planted   # with a planted signal

Bars, windows, teachers, students, validation and gates are the project's own, in two plain processes instead of a
fleet. Of p values of a test that is right, where there is nothing, a share of x is below x.
"""

import argparse
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.stats import kstest

from benchmarks.markets import random_walk, reverting, series_of
from orchestrator.audit.recommendation import recommend
from orchestrator.planning.windows import plan
from schemas.config.judgement import GATES
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest, RunRow
from schemas.contract.coverage import Coverage, CoverageTable
from schemas.contract.device import DEVICE_ENV, Device, DeviceKind
from schemas.contract.judgement import Statistics
from schemas.contract.quality import Verdict
from schemas.contract.task import Role, Status, WindowTask
from schemas.contract.trials import TrialCount
from schemas.contract.window import PlannedWindow, Window
from schemas.files.atomic import sha256_of, write_atomic
from schemas.files.layout import METADATA, BarsLayout, RunLayout
from schemas.files.run_files import write_model, write_rows
from workers.bars import store
from workers.bars.calendar import day_of
from workers.bars.series import Floats
from workers.handlers.train import train_student, train_teacher
from workers.judging.evidence import load
from workers.judging.gates import JUDGES
from workers.judging.validation import validate
from workers.learning.skip import Skip

BARS, SYMBOLS = 1000, 4
BAND = 0.01  # Kolmogorov-Smirnov p below this occurs in 1 of 100 batches of uniform p values


@dataclass(frozen=True)
class Verdicts:
    """The judgement of one world's run."""

    recommendation: str
    passed: tuple[str, ...]
    p: dict[str, float]


# A signal of a few per cent of a week's variance is found in a year of bars, but not in half a year.
WINDOW_DAYS = {"null": 180, "planted": 365}
WORLDS: dict[str, Callable[[np.random.Generator, int], Floats]] = {"null": random_walk, "planted": reverting}


def judge_world(world: str, seed: int) -> Verdicts:
    """Train and judge one run."""
    os.environ[DEVICE_ENV] = Device(name="cpu0@here", kind=DeviceKind.CPU, slots=1).model_dump_json()
    with tempfile.TemporaryDirectory() as folder:
        layout = _trained(Path(folder), world, seed)
        write_model(layout.validation, validate(layout))
        evidence = load(layout, Path(folder) / "release")
        reports = {name: JUDGES[name](evidence) for name in GATES}
    gates = tuple(report.gate for report in reports.values())
    statistics = Statistics(
        run_id="world", seed=seed, settings=evidence.settings, trials=1, gates=gates, symbols={}, passing=(), inputs={}
    )
    p = {each.name: each.p for gate in gates for each in gate.criteria if each.p is not None}
    return Verdicts(recommend(statistics), tuple(gate.name for gate in gates if gate.answer == "passed"), p)


def _trained(data: Path, world: str, seed: int) -> RunLayout:
    rng, layout = np.random.default_rng(seed), RunLayout.under(data, "world")
    names = [f"W{number}" for number in range(SYMBOLS)]
    coverage = {name: _stored(data, name, WORLDS[world](rng, BARS), rng) for name in names}
    bars = CoverageTable(symbols=coverage)
    config = RunConfig(
        symbols=tuple(names), source="csv:none", timezone="UTC", start_date=date(2015, 9, 1),
        end_date=coverage[names[0]].last, window_days=WINDOW_DAYS[world], data_dir=str(data), threshold=0.0,
    )  # fmt: skip
    rows: dict[Role, list[RunRow]] = {Role.TEACHER: [], Role.STUDENT: []}
    for planned in plan(config, bars):
        _train(layout, config, bars, planned, rows)
    for role, found in rows.items():
        write_rows(layout, role, found)
    manifest = RunManifest(
        run_id="world", created=datetime.now(UTC), config=config, devices=(), bars=bars, plan=(), versions={}
    )
    write_model(layout.manifest, manifest)
    alone = TrialCount(
        configurations=1, elsewhere=0, selections=1, looks=0, judged_until=None, opened_from=None, others=(), notes=()
    )  # fmt: skip
    write_model(layout.trials, alone)
    return layout


def _train(
    layout: RunLayout, config: RunConfig, bars: CoverageTable, planned: PlannedWindow, rows: dict[Role, list[RunRow]]
) -> None:
    window = planned.window
    skipped: Skip | None = None
    for role, work in ((Role.TEACHER, train_teacher), (Role.STUDENT, train_student)):
        task = WindowTask(
            run_id="world", telemetry=False, role=role, window=window,
            settings=config.training(), bars={window.symbol: bars.symbols[window.symbol].sha256},
        )  # fmt: skip
        try:
            if skipped is not None:
                raise skipped
            if planned.skip is not None:
                raise Skip(planned.skip, planned.detail)
            result = work(task, layout.data_dir)
        except Skip as skip:
            skipped = skip  # its student is skipped as well
            rows[role].append(_row(role, window, Status.SKIPPED, reason=skip.reason, message=str(skip)))
            continue
        digest = sha256_of(layout.artifact(window.label, role) / METADATA)
        rows[role].append(_row(role, window, Status.SUCCESS, metadata_sha256=digest, metrics=result.metrics))


def _row(role: Role, window: Window, status: Status, **details: object) -> RunRow:
    return RunRow(
        run_id="world", role=role, window_label=window.label, symbol=window.symbol, start=window.start, end=window.end,
        status=status, **details,
    )  # fmt: skip


def _stored(data: Path, name: str, close: Floats, rng: np.random.Generator) -> Coverage:
    series = series_of(close, rng)
    table = pa.table(
        {
            "timestamp": pa.array(series.timestamp).cast(pa.timestamp("us", tz="UTC")),
            "session": pa.array(series.session.astype(np.int32)).cast(pa.date32()),
            **{key: getattr(series, key) for key in ("open", "high", "low", "close", "volume")},
            "factor": np.ones(BARS),
        }
    )
    path = BarsLayout.under(data, "1day").bars(name)
    write_atomic(path, store.encode(table))
    return Coverage(
        symbol=name, interval="1day", bars=BARS, sessions=BARS, sessions_expected=None, gaps=(),
        most_bars_a_session=1, weekdays=(0, 1, 2, 3, 4), special_sessions=(), first=day_of(series.session[0]),
        last=day_of(series.session[-1]), source="generated", adjusted=True, sha256=sha256_of(path),
        fetched=datetime.now(UTC), verdict=Verdict.OK, findings=(),
    )  # fmt: skip


def main() -> None:
    """Judge the worlds and print the counts of recommendations, gates and p values."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--world", choices=list(WORLDS), default="null")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.processes) as pool:
        found = list(pool.map(judge_world, [asked.world] * asked.seeds, range(asked.seeds)))
    counts = Counter(each.recommendation for each in found)
    print(f"{asked.seeds} {asked.world} worlds of {SYMBOLS} symbols and {BARS} bars")
    print("recommended: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    for gate in GATES:
        print(f"  {gate:12} passed in {sum(gate in each.passed for each in found)}")
    print(f"{'p of':36} below 0.01  0.05  0.10  0.50   median   uniform (KS p)")
    for name in dict.fromkeys(name for each in found for name in each.p):
        p = np.array([each.p[name] for each in found if name in each.p])
        shares = "  ".join(f"{(p <= level).mean():.2f}" for level in (0.01, 0.05, 0.10, 0.50))
        verdict = kstest(p, "uniform").pvalue
        print(f"{name:36}       {shares}    {np.median(p):.3f}   {verdict:.3g}{'' if verdict > BAND else ' (not)'}")


if __name__ == "__main__":
    main()
