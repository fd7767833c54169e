"""Gates on runs whose truth is known, and the recommendation that follows from them."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from orchestrator.audit.recommendation import recommend
from schemas.config.judgement import GATES, GateSettings
from schemas.config.target import LOSSES, VALUE
from schemas.contract.errors import FileError, PhaseError
from schemas.contract.judgement import (
    ALPHA,
    LABEL_PERMUTATION,
    SQUARED_ERROR_IMPROVEMENT,
    Criterion,
    GateReport,
    Part,
    Recommendation,
    Ruling,
    Statistics,
    ValueScores,
    opponent_of,
)
from schemas.contract.universe import Stay, Universe
from schemas.contract.window import SkipReason
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest, write_manifest, write_model
from schemas.files.universe import store_universe
from tests import strategies
from tests.workers.judging.runs import RUN, stored_run, tried
from workers.judging.evidence import load
from workers.judging.gates import JUDGES, criteria, economics
from workers.judging.gates.calibration import ADDED
from workers.judging.predictions import load_rows
from workers.judging.statistics.permutation import permute
from workers.judging.validation import scores_by, validate, value_scores
from workers.scoring.family import FAMILIES
from workers.side.store import use_side_of

QUICK = GateSettings(repetitions=300, permutations=200)


def judged(layout: RunLayout, *names: str) -> dict[str, GateReport]:
    """Validate a stored run and judge its gates, all or some."""
    write_model(layout.validation, validate(layout))
    evidence = load(layout, layout.folder / "release")
    return {name: JUDGES[name](evidence) for name in names or GATES}


def statistics(reports: dict[str, GateReport]) -> Statistics:
    """`statistics.json` of these gates."""
    return Statistics(
        run_id=RUN, seed=1, settings=QUICK, trials=1, gates=tuple(report.gate for report in reports.values()),
        symbols={}, passing=(), inputs={},
    )  # fmt: skip


def criterion(report: GateReport, name: str) -> Criterion:
    """One test of a gate."""
    return next(each for each in report.gate.criteria if each.name == name)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, GateReport]:
    """A run whose students have skill."""
    return judged(stored_run(tmp_path_factory.mktemp("planted"), signal=0.6, gates=QUICK))


@pytest.fixture(scope="module")
def null(tmp_path_factory: pytest.TempPathFactory) -> dict[str, GateReport]:
    """A run whose students have no skill."""
    return judged(stored_run(tmp_path_factory.mktemp("null"), gates=QUICK))


def test_a_planted_signal_is_promoted(planted: dict[str, GateReport]) -> None:
    """Students that know something of the next day pass every test that decides, and nothing warns."""
    failed = [
        (name, each.name, each.reason)
        for name, report in planted.items()
        for each in report.gate.criteria
        if each.part is not Part.INFORMS and each.ruling is not Ruling.PASS
    ]
    assert failed == []
    assert recommend(statistics(planted)) is Recommendation.PROMOTE
    assert planted["symbols"].passing == ("S0", "S1", "S2", "S3")


def test_a_null_world_is_not_promoted(null: dict[str, GateReport]) -> None:
    """Students that know nothing fail skill and economics; data and leak are in order, overfit and symbols warn."""
    answers = {name: report.gate.answer for name, report in null.items()}
    assert (answers["data"], answers["leak"], answers["drift"]) == ("passed", "passed", "passed")
    assert (answers["skill"], answers["economics"]) == ("not passed", "not passed")
    assert (answers["overfit"], answers["symbols"], answers["calibration"]) == ("warning", "warning", "warning")
    assert recommend(statistics(null)) is not Recommendation.PROMOTE
    assert null["symbols"].passing == ()


def test_values_are_judged_as_classes_are(tmp_path: Path) -> None:
    """A planted signal is promoted and none is not; scores, tests and questions are those of values."""
    planted = stored_run(tmp_path / "planted", signal=0.6, label="return", gates=QUICK)
    reports = judged(planted)
    assert recommend(statistics(reports)) is Recommendation.PROMOTE
    assert criterion(reports["skill"], SQUARED_ERROR_IMPROVEMENT).ruling is Ruling.PASS
    slope, added = (criterion(reports["calibration"], name) for name in ("calibration slope", ADDED))
    assert slope.ruling is added.ruling is Ruling.PASS and slope.statistic == pytest.approx(1.0, abs=0.1)
    assert "values" in reports["calibration"].gate.question
    found = validate(planted)
    rows = load_rows(planted, found.sha256["validation/rows.parquet"])
    student, error = found.scores["student"], np.mean((rows.y - rows.student) ** 2)
    assert isinstance(student, ValueScores) and student.squared_error == pytest.approx(error)
    assert student.r2 == student.skill == pytest.approx(1.0 - error / np.mean(rows.y**2))
    assert student.sign_accuracy == pytest.approx(np.mean((rows.y > 0) == (rows.student > 0)))
    # A historical mean that is worse than 0: the skill of a symbol is beside 0, as that of the run.
    biased = replace(rows, prior=rows.prior + 0.05)
    assert (found.opponent, opponent_of(LOSSES[VALUE], value_scores(biased))) == ("prior", "zero")
    (part,) = scores_by(biased, np.zeros(len(rows)), np.repeat("all", len(rows)), FAMILIES[VALUE], "zero").values()
    assert part["squared_error_skill"] == pytest.approx(student.skill)
    nothing = judged(stored_run(tmp_path / "null", label="return", gates=QUICK))
    assert recommend(statistics(nothing)) is not Recommendation.PROMOTE
    assert criterion(nothing["skill"], LABEL_PERMUTATION).ruling is Ruling.FAIL
    assert criterion(nothing["calibration"], ADDED).ruling is Ruling.FAIL  # 0.09 deviations of noise are added


def test_an_interval_that_begins_at_zero_is_not_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lower bound must exceed 0."""
    for low, ruling in ((0.0, Ruling.FAIL), (1e-9, Ruling.PASS)):
        mean = SimpleNamespace(value=0.5, interval=lambda low=low: (low, 1.0))
        monkeypatch.setattr(criteria, "mean_of", lambda daily, mean=mean: mean)
        assert criteria.interval_above_zero("net", np.arange(30.0), "bps").ruling is ruling


def test_which_tests_decide(planted: dict[str, GateReport]) -> None:
    """Two primary tests, one direction; data and leak are hard, and all else warns or informs."""
    parts = {
        part: [each.name for report in planted.values() for each in report.gate.criteria if each.part is part]
        for part in Part
    }
    assert parts[Part.PRIMARY] == ["label permutation", "alpha beside always long"]
    assert parts[Part.DIRECTION] == ["net return per day"]
    assert parts[Part.HARD] == [
        "scored windows", "scored days", "certified violations", "features that change without later bars",
        "planted leaks found",
    ]  # fmt: skip


def test_the_same_run_gives_the_same_bytes(tmp_path: Path, null: dict[str, GateReport]) -> None:
    """Judged again elsewhere, every gate is the same to the byte."""
    again = judged(stored_run(tmp_path, gates=QUICK))
    assert {name: report.model_dump_json() for name, report in again.items()} == {
        name: report.model_dump_json() for name, report in null.items()
    }


def test_a_certificate_with_a_violation_fails(tmp_path: Path) -> None:
    """One violation anywhere fails the leak gate, and the run is rejected whatever the other gates find."""
    reports = judged(stored_run(tmp_path, signal=0.6, leak="row 3 leaks", gates=QUICK), "leak")
    assert criterion(reports["leak"], "certified violations").ruling is Ruling.FAIL
    assert recommend(statistics(reports)) is Recommendation.REJECT


def test_a_feature_that_reads_ahead_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leak gate's canary on the run's own bars fails where features look one bar ahead."""
    from workers.judging.gates import leak

    monkeypatch.setattr(leak, "_features", _ahead)
    reports = judged(stored_run(tmp_path, gates=QUICK), "leak")
    assert criterion(reports["leak"], "features that change without later bars").ruling is Ruling.FAIL


def _ahead(bars: Any, settings: Any) -> Any:
    return {name: np.concatenate([each.close[1:], each.close[-1:]])[:, None] for name, each in bars.items()}


@pytest.mark.parametrize(
    ("failed", "skipped", "ruling"),
    [(0, {}, Ruling.PASS), (2, {}, Ruling.FAIL), (0, {SkipReason.INSUFFICIENT_SAMPLES: 2}, Ruling.FAIL),
     (0, {SkipReason.NO_DATA: 30, SkipReason.INSUFFICIENT_HISTORY: 2}, Ruling.PASS)],
)  # fmt: skip
def test_failed_and_skipped_windows_count_where_there_are_bars(
    tmp_path: Path, failed: int, skipped: dict[SkipReason, int], ruling: Ruling
) -> None:
    """8 scored of 10 are too few, whether 2 failed or were skipped; windows before a symbol's bars do not count."""
    report = judged(stored_run(tmp_path, failed=failed, skipped=skipped, gates=QUICK), "data")["data"]
    found = criterion(report, "scored windows")
    assert found.ruling is ruling
    if skipped:
        assert ("too few labelled rows (2)" in found.reason) == (SkipReason.INSUFFICIENT_SAMPLES in skipped)


def test_days_of_the_universe_without_bars_are_a_warning(tmp_path: Path) -> None:
    """Members without bars, and stays longer than the bars, are named with their days; a universe with bars passes."""
    run = stored_run(tmp_path, gates=QUICK)
    use_side_of(run.data_dir)
    write_model(run.validation, validate(run))
    manifest = read_manifest(run)
    config, rows = manifest.config, manifest.bars.symbols if manifest.bars else {}
    stays = {symbol: (Stay(first=config.start_date, until=row.last),) for symbol, row in rows.items()}

    def with_bars(**more: tuple[Stay, ...]) -> Criterion:
        universe = Universe(stays=stays | more)
        store_universe(universe, run.data_dir)
        changed = config.model_copy(update={"members": universe.sha256})
        write_manifest(run, manifest.model_copy(update={"config": changed}))
        return criterion(JUDGES["data"](load(run, tmp_path)), "universe with bars")

    assert with_bars().ruling is Ruling.PASS
    found = with_bars(GONE=(Stay(first=config.start_date),))
    assert (found.ruling, found.part) == (Ruling.FAIL, Part.WARNING)
    assert found.reason.endswith(f"; not GONE {config.start_date} to {config.end_date}")


def test_too_few_days_hold_and_name_what_is_missing(tmp_path: Path) -> None:
    """With fewer days than a test needs it is not computable, which holds; the reason has the number of days."""
    reports = judged(stored_run(tmp_path, signal=0.6, days=215, gates=QUICK))
    for name in ("data", "skill", "economics", "overfit", "drift"):
        assert reports[name].gate.answer != "passed"
        assert any(each.ruling is Ruling.NOT_COMPUTABLE for each in reports[name].gate.criteria)
    assert recommend(statistics(reports)) is Recommendation.HOLD
    days = criterion(reports["data"], "scored days")
    assert days.reason == "not computable: 54 scored days, 60 are needed: 6 more"


def test_a_permutation_that_cannot_reach_its_level_is_not_computable(tmp_path: Path) -> None:
    """With 80 days there are 79 shifts and no p below 0.0125: 20 more days are needed for one of 0.01."""
    layout = stored_run(tmp_path, signal=0.6, days=241, gates=QUICK)
    found = criterion(judged(layout, "skill")["skill"], "label permutation")
    assert found.ruling is Ruling.NOT_COMPUTABLE
    assert found.reason == "not computable: 80 instants, 100 are needed for a p of 0.01: 20 more"


def test_alpha_is_adjusted_for_the_configurations_tried(tmp_path: Path) -> None:
    """The p of alpha after 41 configurations is that of the best of 41; a hurdle above its interval rejects."""
    layout = stored_run(tmp_path, signal=0.2, gates=QUICK.model_copy(update={"alpha_hurdle_bps": 0.5}))
    one = criterion(judged(layout, "economics")["economics"], ALPHA)
    assert one.p is not None and "p " in one.reason and one.threshold == 0.5
    tried(layout, configurations=11, selections=31)
    many = criterion(judged(layout, "economics")["economics"], ALPHA)
    assert many.p == pytest.approx(1 - (1 - one.p) ** 41)
    assert "as the best of 41 configurations and selections" in many.reason
    high = QUICK.model_copy(update={"alpha_hurdle_bps": 99.0})
    worse = judged(stored_run(tmp_path / "hurdle", signal=0.2, gates=high), "economics")
    assert recommend(statistics(worse)) is Recommendation.REJECT
    assert criterion(worse["economics"], ALPHA).rules_out


def test_p_of_alpha_is_that_of_the_hurdle() -> None:
    """p is one half where the hurdle is the alpha that was found, and smaller below it."""
    rng = np.random.default_rng(5)
    market = rng.normal(0.0, 1e-2, 400)
    daily = 3e-4 + 0.2 * market + rng.normal(0.0, 1e-3, 400)
    free = economics.alpha_beside(daily, market, None, 1, QUICK)
    assert free.statistic is not None and free.p is not None
    hurdle = QUICK.model_copy(update={"alpha_hurdle_bps": free.statistic})
    assert economics.alpha_beside(daily, market, None, 1, hurdle).p == pytest.approx(0.5)
    assert free.p < 0.01


def test_a_year_needs_half_of_its_returns_where_it_cannot_have_the_days_of_the_gates(tmp_path: Path) -> None:
    """A year of weekly bars has 52 returns, fewer than the 60 days of the gates; here daily bars and 300 days."""
    layout = stored_run(tmp_path, signal=0.6, gates=QUICK.model_copy(update={"min_days": 300}))
    report = judged(layout, "economics")["economics"]
    assert criterion(report, "net return in the worst year").ruling is Ruling.PASS


@pytest.mark.parametrize(
    "world",
    [
        {"flat": True}, {"flat": True, "symbols": 1}, {"symbols": 1, "days": 215}, {"days": 170, "symbols": 2},
        {"symbols": 1},
    ],
)  # fmt: skip
def test_poor_worlds_get_answers_and_no_crash(tmp_path: Path, world: dict[str, Any]) -> None:
    """Students that predict the base rate, one symbol, a few days: every gate has a result, and none is promoted."""
    reports = judged(stored_run(tmp_path, gates=QUICK, **world))
    assert set(reports) == set(GATES)
    assert recommend(statistics(reports)) is not Recommendation.PROMOTE
    for report in reports.values():
        assert "nan" not in report.model_dump_json().lower()


def test_a_student_worse_than_one_without_a_teacher_fails(tmp_path: Path) -> None:
    """Skill over the base rate is not enough if the student without a teacher is better."""
    report = judged(stored_run(tmp_path, signal=0.6, alone=1.0, gates=QUICK), "skill")["skill"]
    assert criterion(report, "not worse than the student without a teacher").ruling is Ruling.PASS  # the same
    worse = judged(stored_run(tmp_path / "worse", signal=0.6, alone=1.0, seed=1, gates=QUICK), "skill")["skill"]
    assert worse.gate.passed


def test_trials_come_from_the_ledger_and_raise_the_bar(tmp_path: Path) -> None:
    """Each configuration and each further selection of symbols is two trials, with a teacher and without."""
    layout = stored_run(tmp_path, signal=0.2, gates=QUICK)
    alone = criterion(judged(layout, "overfit")["overfit"], "deflated Sharpe ratio")
    assert "2 trials" in alone.reason
    tried(layout, configurations=11, selections=31)
    many = criterion(judged(layout, "overfit")["overfit"], "deflated Sharpe ratio")
    assert "82 trials" in many.reason
    assert many.statistic is not None and alone.statistic is not None and many.statistic < alone.statistic


def test_a_final_run_is_not_corrected_for_trials_that_saw_none_of_its_days(tmp_path: Path) -> None:
    """The held-out days correct for them: alpha is that of one configuration."""
    layout = stored_run(tmp_path, signal=0.6, gates=QUICK)
    tried(layout, configurations=50)
    assert "best of 50" in criterion(judged(layout, "economics")["economics"], "alpha beside always long").reason
    tried(layout, configurations=50, opened_from=date(2020, 1, 1))
    assert "best of" not in criterion(judged(layout, "economics")["economics"], "alpha beside always long").reason


def test_without_a_count_of_trials_nothing_is_judged(tmp_path: Path) -> None:
    """A missing `trials.json` is an error, never a count of one."""
    layout = stored_run(tmp_path, gates=QUICK)
    layout.trials.unlink()
    with pytest.raises(FileError, match=r"trials\.json is missing"):
        judged(layout, "overfit")


def test_changed_rows_are_refused(tmp_path: Path) -> None:
    """Files of validation are checked against their digests."""
    layout = stored_run(tmp_path, gates=QUICK)
    write_model(layout.validation, validate(layout))
    layout.daily_returns.write_bytes(layout.daily_returns.read_bytes() + b" ")
    with pytest.raises(PhaseError, match=r"daily\.parquet is missing or not what"):
        load(layout, tmp_path)


def test_permutation_is_uniform_where_there_is_nothing() -> None:
    """Over 200 worlds of labels that are correlated in time and between symbols, p is uniform (Kolmogorov-Smirnov).

    In `make check` 70 worlds.
    """
    found = []
    for seed in range(70 if strategies.QUICK else 200):
        rng = np.random.default_rng(seed)
        common = np.convolve(rng.normal(size=304), np.ones(5), "valid")
        y = (common[:, None] + rng.normal(size=(300, 4)) > 0).astype(float)
        odds = np.convolve(rng.normal(size=309), np.ones(10), "valid")[:, None] * 0.1 + rng.normal(size=(300, 4)) * 0.1
        p = 1 / (1 + np.exp(-odds))
        found.append(permute(np.log(2 * p), np.log(2 * (1 - p)), y, min_shift=10, repetitions=99, seed=seed).p)
    assert kstest(found, "uniform").pvalue > 0.01
