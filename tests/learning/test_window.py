"""A window from bars to student: which rows it may use, what its models saw, and that twice gives the same bytes."""

import json
from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from orchestrator.planning import lay_windows
from schemas.artifacts import StudentModel
from schemas.window import WARMUP_BARS, SkipReason, Window
from tests.strategies import FIRST_DAY, daily_walk, examples, part, training_settings, walk_on, weekdays
from workers.bars.series import Floats, Series
from workers.judging.scoring import log_loss
from workers.learning import student as students
from workers.learning import teacher as teachers
from workers.learning.features import FEATURE_NAMES, RAW_INDICATORS
from workers.learning.splits import purged_folds
from workers.learning.window import (
    History,
    Skip,
    TaughtWindow,
    TrainedStudent,
    day_number,
    label_columns,
    prepare,
    round_trip_cost,
    select_rows,
    train_student,
    train_teacher,
)

SETTINGS = training_settings()
WINDOW = Window(symbol="M&M", start=date(2021, 7, 1), end=date(2022, 3, 1), score_end=date(2022, 6, 1))
BARS = 520  # from 2020-10-01 to 2022-09-28: enough before, inside and after WINDOW


def day_of(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=int(number))


@st.composite
def histories(draw: st.DrawFn) -> tuple[History, int]:
    """Daily or intraday bars on weekdays of which some are holidays, and their labels' horizon."""
    days = weekdays(FIRST_DAY, draw(st.integers(170, 330)))
    holidays = draw(st.sets(st.integers(0, len(days) - 1), max_size=20))
    bars_a_session = draw(st.sampled_from([1, 1, 3]))
    sessions = [day_number(day) for i, day in enumerate(days) if i not in holidays]
    series = walk_on(np.repeat(np.array(sessions, dtype=np.int64), bars_a_session), draw(st.integers(0, 99)))
    horizon = draw(st.integers(1, 12))
    interval = "1day" if bars_a_session == 1 else "30minute"
    return prepare(series, training_settings(horizon_bars=horizon, interval=interval)), horizon


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Windows that begin before, in or after the bars of `histories`."""
    start = FIRST_DAY + timedelta(days=draw(st.integers(-30, 420)))
    end = start + timedelta(days=draw(st.integers(7, 250)))
    return Window(symbol="A", start=start, end=end, score_end=end + timedelta(days=draw(st.integers(1, 120))))


@examples(100)
@given(generated=histories(), window=windows())
def test_rows_are_those_that_dates_allow(generated: tuple[History, int], window: Window) -> None:
    """Training rows are decided and ended inside the window, scored ones decided in its block; all are warmed up."""
    history, horizon = generated
    days = [day_of(number) for number in history.series.session]
    ended = range(WARMUP_BARS, len(days) - horizon)
    train = [t for t in ended if window.start <= days[t] and days[t + horizon] < window.end]
    scored = [t for t in ended if window.end <= days[t] < window.score_end]
    try:
        rows = select_rows(history, window, training_settings(min_rows=20))
    except Skip:
        assert len(train) < 20 or not scored
        return
    assert rows.train.tolist() == train
    assert rows.scored.tolist() == scored


@examples(30)
@given(generated=histories(), window=windows())
def test_no_training_label_sees_the_scored_block(generated: tuple[History, int], window: Window) -> None:
    """The last bar of every training label is of a day before the window's end, where scoring begins."""
    history, _ = generated
    try:
        rows = select_rows(history, window, training_settings(min_rows=20))
    except Skip:
        assume(False)
    last_days = history.series.session[history.labels.t1[rows.train]]
    assert (last_days < day_number(window.end)).all()
    assert last_days.max() < history.series.session[history.labels.t0[rows.scored]].min()


@examples(60)
@given(
    generated=histories(),
    offset=st.integers(220, 300),
    window_days=st.integers(40, 120),
    step_days=st.integers(7, 120),
)
def test_scored_rows_tile(generated: tuple[History, int], offset: int, window_days: int, step_days: int) -> None:
    """No bar is scored by two windows of a symbol, and together they score every labelled bar of their blocks."""
    history, horizon = generated
    start = FIRST_DAY + timedelta(days=offset)
    laid = lay_windows("A", start, start + timedelta(days=400), window_days, step_days)
    scored: list[int] = []
    expected: set[int] = set()
    for window in laid:
        try:
            rows = select_rows(history, window, training_settings(min_rows=20))
        except Skip:
            continue
        scored += rows.scored.tolist()
        expected |= {
            t
            for t in range(WARMUP_BARS, len(history.series) - horizon)
            if window.end <= day_of(history.series.session[t]) < window.score_end
        }
    assert sorted(scored) == sorted(expected)


def test_a_window_without_bars_is_skipped_as_no_data() -> None:
    """Bars before and after a window are none of its own: no_data, and the sentence names its days."""
    days = np.array([day_number(day) for day in weekdays(FIRST_DAY, 600)], dtype=np.int64)
    hole = (days < day_number(WINDOW.start)) | (days >= day_number(WINDOW.end))
    skip = skipped(walk_on(days[hole], seed=0), WINDOW)
    assert skip.reason is SkipReason.NO_DATA
    assert str(WINDOW.start) in str(skip) and str(WINDOW.end) in str(skip)


def test_a_window_whose_rows_are_cold_is_skipped_as_insufficient_history() -> None:
    """Rows enough, but fewer than the warm-up before them: insufficient_history, with the counts."""
    skip = skipped(daily_walk(400, first=WINDOW.start), WINDOW)
    assert skip.reason is SkipReason.INSUFFICIENT_HISTORY
    assert str(WARMUP_BARS) in str(skip) and "40 needed" in str(skip)


def test_a_short_window_is_skipped_as_insufficient_samples() -> None:
    """A window of too few labelled rows: insufficient_samples, with how many there are."""
    short = WINDOW.model_copy(update={"start": WINDOW.end - timedelta(days=28)})
    skip = skipped(daily_walk(BARS), short)
    assert skip.reason is SkipReason.INSUFFICIENT_SAMPLES
    assert str(skip) == "15 labelled rows, 40 needed"


@pytest.mark.parametrize("bars_after", range(0, 6))
def test_bars_that_end_with_the_window_are_skipped_as_insufficient_future_data(bars_after: int) -> None:
    """No bar after the window has a whole horizon of bars after it: insufficient_future_data."""
    series = daily_walk(BARS)
    inside = int((series.session < day_number(WINDOW.end)).sum())
    skip = skipped(part(series, slice(0, inside + bars_after)), WINDOW)
    assert skip.reason is SkipReason.INSUFFICIENT_FUTURE_DATA


def test_one_scored_bar_is_future_enough() -> None:
    """The horizon and one bar after the window are enough to score one row."""
    series = daily_walk(BARS)
    inside = int((series.session < day_number(WINDOW.end)).sum())
    rows = select_rows(prepare(part(series, slice(0, inside + 6)), SETTINGS), WINDOW, SETTINGS)
    assert rows.scored.tolist() == [inside]


@pytest.mark.parametrize("threshold", [-0.9, 9.0])
def test_a_window_of_one_class_is_skipped_as_single_class(threshold: float) -> None:
    """Labels that are all 0, or all 1, teach nothing: single_class, with the count of positives."""
    settings = training_settings(threshold=threshold)
    with pytest.raises(Skip, match=r"of \d+ fitted rows are positive") as caught:
        train_teacher(prepare(daily_walk(BARS), settings), WINDOW, settings, "cpu")
    assert caught.value.reason is SkipReason.SINGLE_CLASS


def skipped(series: Series, window: Window) -> Skip:
    """The Skip that training `window` on `series` ends in."""
    with pytest.raises(Skip) as caught:
        train_teacher(prepare(series, SETTINGS), window, SETTINGS, "cpu")
    return caught.value


@cache
def history() -> History:
    return prepare(daily_walk(BARS), SETTINGS)


@cache
def taught() -> TaughtWindow:
    return train_teacher(history(), WINDOW, SETTINGS, "cpu")


@cache
def trained() -> TrainedStudent:
    labels, teacher = history().labels, taught()
    opinion = teachers.predict(teacher.teacher.booster, history().features[labels.t0[teacher.rows.scored]])
    return train_student(history(), WINDOW, SETTINGS, teacher.out_of_fold, opinion)


def test_training_twice_gives_the_same_bytes() -> None:
    """The same bars and settings give, from the start, the same booster bytes, opinions and coefficients."""
    fresh = prepare(daily_walk(BARS), SETTINGS)
    again = train_teacher(fresh, WINDOW, SETTINGS, "cpu")
    assert again.teacher.booster.save_raw("ubj") == taught().teacher.booster.save_raw("ubj")
    assert again.out_of_fold.tobytes() == taught().out_of_fold.tobytes()
    assert again.metrics == taught().metrics
    opinion = teachers.predict(again.teacher.booster, fresh.features[fresh.labels.t0[again.rows.scored]])
    student = train_student(fresh, WINDOW, SETTINGS, again.out_of_fold, opinion)
    assert student.model.model_dump_json() == trained().model.model_dump_json()
    assert student.scored_student.tobytes() == trained().scored_student.tobytes()


def test_bars_after_the_scored_block_change_nothing() -> None:
    """A window's teacher, opinions and student are the same whether or not later bars are known."""
    needed = int(history().labels.t1[taught().rows.scored].max()) + 1
    assert needed < BARS
    shorter = prepare(part(history().series, slice(0, needed)), SETTINGS)
    teacher = train_teacher(shorter, WINDOW, SETTINGS, "cpu")
    assert teacher.teacher.booster.save_raw("ubj") == taught().teacher.booster.save_raw("ubj")
    student = train_student(shorter, WINDOW, SETTINGS, teacher.out_of_fold, trained().scored_teacher)
    assert student.model == trained().model


def test_the_scored_block_teaches_nothing() -> None:
    """Bars from the window's end on, overwritten, leave teacher and student as they were."""
    series = history().series
    later = series.session >= day_number(WINDOW.end)
    moved = replace(series, close=np.where(later, 1e3, series.close), open=np.where(later, 7.0, series.open))
    teacher = train_teacher(prepare(moved, SETTINGS), WINDOW, SETTINGS, "cpu")
    assert teacher.teacher.booster.save_raw("ubj") == taught().teacher.booster.save_raw("ubj")
    student = train_student(prepare(moved, SETTINGS), WINDOW, SETTINGS, teacher.out_of_fold, trained().scored_teacher)
    assert student.model == trained().model


def test_another_seed_gives_another_teacher() -> None:
    """The seed reaches the booster: another one gives another model."""
    other = training_settings(seed=7)
    teacher = train_teacher(history(), WINDOW, other, "cpu")
    assert teacher.teacher.parameters["seed"] == "7"
    assert teacher.teacher.booster.save_raw("ubj") != taught().teacher.booster.save_raw("ubj")


def test_out_of_fold_opinions_saw_no_overlapping_row() -> None:
    """Turning every row that overlaps a held-out block into its opposite leaves the block's opinions, bit for bit."""
    rows, labels = taught().rows.train, history().labels
    t0, t1, y = labels.t0[rows], labels.t1[rows], labels.y[rows]
    x, weight, rounds = history().features[t0], taught().weight, taught().teacher.rounds
    spans = [set(range(a, b + 1)) for a, b in zip(t0, t1, strict=True)]
    for fold in purged_folds(t0, t1):
        block = set().union(*(spans[row] for row in fold.held_out))
        overlaps = np.array([not block.isdisjoint(span) for span in spans])
        strange = overlaps & ~np.isin(np.arange(len(y)), fold.held_out)
        other_y = np.where(overlaps, 1 - y, y).astype(np.int8)
        other_x = np.where(strange[:, None], 1e3, x)
        other_weight = np.where(overlaps, 50.0, weight)
        seen = teachers.out_of_fold(other_x, other_y, other_weight, [fold], rounds, SETTINGS.seed, "cpu")
        assert strange.any()
        assert seen[fold.held_out].tobytes() == taught().out_of_fold[fold.held_out].tobytes()


def test_every_row_has_an_out_of_fold_opinion() -> None:
    """Each training row has one probability from a model that did not see it; none is the fitted teacher's own."""
    opinions = taught().out_of_fold
    own = teachers.predict(taught().teacher.booster, history().features[history().labels.t0[taught().rows.train]])
    assert len(opinions) == len(taught().rows.train)
    assert ((opinions > 0) & (opinions < 1)).all()
    assert (opinions != own).all()


@pytest.mark.parametrize("label", [0, 1])
def test_a_fold_of_one_class_says_its_share(label: int) -> None:
    """A fold whose fitted rows are all of one class predicts that class's share instead of fitting a model."""
    t0 = np.arange(40)
    x = np.random.default_rng(0).normal(size=(40, 3))
    y = np.full(40, label, dtype=np.int8)
    opinions = teachers.out_of_fold(x, y, np.ones(40), purged_folds(t0, t0 + 1), 3, 0, "cpu")
    assert (opinions == label).all()


def test_parameters_are_the_boosters_own() -> None:
    """Recorded parameters are what the booster's config says; its base score is the weighted share of positives."""
    teacher, split = taught().teacher, taught().split
    learner = json.loads(teacher.booster.save_config())["learner"]
    tree = learner["gradient_booster"]["tree_train_param"]
    for key in ("max_depth", "eta", "min_child_weight", "subsample", "colsample_bytree", "lambda", "max_bin"):
        assert teacher.parameters[key] == tree[key], key
    assert float(str(teacher.parameters["eta"])) == pytest.approx(0.05)
    assert teacher.parameters["max_depth"] == "3"
    assert teacher.parameters["max_bin"] == str(teachers.MAX_BIN)
    assert teacher.parameters["objective"] == "binary:logistic"
    assert teacher.parameters["nthread"] == "1"
    assert teacher.parameters["seed"] == str(SETTINGS.seed)
    y, weight = history().labels.y[taught().rows.train], taught().weight
    prior = np.average(y[split.fit], weights=weight[split.fit])
    assert float(str(teacher.parameters["base_score"]).strip("[]")) == pytest.approx(prior, rel=1e-5)


def test_the_stored_booster_keeps_the_best_rounds_only() -> None:
    """The booster has as many trees as early stopping kept, and its tail log loss is the one recorded."""
    teacher = taught().teacher
    assert teacher.booster.num_boosted_rounds() == teacher.rounds <= teachers.MAX_ROUNDS
    tail = taught().rows.train[taught().split.tail]
    p = teachers.predict(teacher.booster, history().features[history().labels.t0[tail]])
    assert log_loss(history().labels.y[tail], p) == pytest.approx(teacher.tail_log_loss, rel=1e-5)


def test_a_stored_booster_predicts_the_same() -> None:
    """A booster read back from its bytes gives every row the same probability, bit for bit."""
    stored = xgb.Booster(model_file=taught().teacher.booster.save_raw("ubj"))
    x = history().features
    assert teachers.predict(stored, x).tobytes() == teachers.predict(taught().teacher.booster, x).tobytes()


def test_importance_names_every_feature_once() -> None:
    """Importance lists each feature with its share of the gain, best first; shares add up to 1."""
    rows = teachers.importance(taught().teacher.booster, FEATURE_NAMES)
    assert sorted(name for name, _, _ in rows) == sorted(FEATURE_NAMES)
    shares = [share for _, share, _ in rows]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0)
    assert [rank for _, _, rank in rows] == list(range(1, len(FEATURE_NAMES) + 1))


def test_weights_have_mean_one_and_count_overlap() -> None:
    """Row weights have mean 1; the effective number of rows is about the rows over the horizon."""
    assert taught().weight.mean() == pytest.approx(1.0)
    rows = len(taught().rows.train)
    assert taught().metrics["effective_rows"] == pytest.approx(rows / SETTINGS.horizon_bars, rel=0.1)


def test_label_columns_tell_how_each_row_was_used() -> None:
    """The stored label table has one value a training row in each column, and says fit, purged or tail of each."""
    columns = label_columns(history(), taught())
    rows = len(taught().rows.train)
    assert {len(values) for values in columns.values()} == {rows}
    assert set(RAW_INDICATORS) < set(columns)
    parts = list(columns["part"])
    split = taught().split
    used = {"fit": split.fit, "purged": split.purged, "tail": split.tail}
    assert all(np.flatnonzero(np.array(parts) == name).tolist() == rows.tolist() for name, rows in used.items())
    assert (np.asarray(columns["label_end"]) > np.asarray(columns["timestamp"])).all()


# ---- the student


@st.composite
def student_inputs(draw: st.DrawFn) -> tuple[Floats, Floats, Floats]:
    """Features of wildly different scales with some missing, soft labels, and weights."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    rows, columns = draw(st.integers(40, 150)), draw(st.integers(1, 8))
    x = rng.normal(size=(rows, columns)) * 10.0 ** rng.integers(-3, 3, columns) + rng.normal(size=columns)
    x[rng.random(x.shape) < draw(st.sampled_from([0.0, 0.1]))] = np.nan
    return x, rng.uniform(0.0, 1.0, rows), rng.uniform(0.2, 2.0, rows)


@examples(40)
@given(inputs=student_inputs())
def test_the_folded_student_is_sklearns_model(inputs: tuple[Floats, Floats, Floats]) -> None:
    """The student read back from JSON, one dot product, gives sklearn's own probabilities to 1e-12."""
    x, soft, weight = inputs
    coefficients, intercept, fill = students.fit_logistic(x, soft, weight)
    model = StudentModel(
        features=tuple(f"x{i}" for i in range(x.shape[1])),
        coefficients=tuple(coefficients.tolist()),
        intercept=intercept,
        fill=tuple(fill.tolist()),
        trade_above=None,
    )
    stored = StudentModel.model_validate_json(model.model_dump_json())
    imputer, scaler = SimpleImputer(), StandardScaler()
    standard = scaler.fit_transform(imputer.fit_transform(x))
    reference = LogisticRegression(C=students.REGULARISATION_C, max_iter=students.MAX_ITERATIONS).fit(
        np.concatenate([standard, standard]),
        np.repeat([1, 0], len(soft)),
        sample_weight=np.concatenate([weight * soft, weight * (1.0 - soft)]),
    )
    unseen = np.concatenate([x, x[::-1] * 1.7])
    expected = reference.predict_proba(scaler.transform(imputer.transform(unseen)))[:, 1]
    np.testing.assert_allclose(students.score(stored, unseen), expected, rtol=0, atol=1e-12)


def test_a_soft_label_is_fitted_as_a_soft_label() -> None:
    """With one constant feature the student predicts the weighted mean of its soft labels."""
    soft, weight = np.linspace(0.1, 0.7, 50), np.linspace(1.0, 3.0, 50)
    x = np.full((50, 1), 3.0)
    coefficients, intercept, fill = students.fit_logistic(x, soft, weight)
    assert coefficients.tolist() == [0.0]
    p = 1.0 / (1.0 + np.exp(-intercept))
    assert p == pytest.approx(np.average(soft, weights=weight), abs=1e-4)
    assert fill.tolist() == [3.0]


def test_a_column_that_is_always_missing_counts_for_nothing() -> None:
    """A feature with no value at all has coefficient 0 and fill 0, and leaves the other one alone."""
    rng = np.random.default_rng(0)
    x, soft = rng.normal(size=(60, 1)), rng.uniform(size=60)
    alone, *_ = students.fit_logistic(x, soft, np.ones(60))
    both, _, fill = students.fit_logistic(np.concatenate([x, np.full((60, 1), np.nan)], axis=1), soft, np.ones(60))
    assert both[1] == 0.0 and fill[1] == 0.0
    assert both[0] == pytest.approx(alone[0], rel=1e-9)


@examples(60)
@given(
    rows=st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=50),
    distill_weight=st.floats(0, 1),
)
def test_target_lies_between_label_and_teacher(rows: list[tuple[int, float]], distill_weight: float) -> None:
    """The soft label is the label at weight 0, the teacher's opinion at 1, and in between in proportion."""
    y = np.array([label for label, _ in rows], dtype=np.int8)
    teacher = np.array([opinion for _, opinion in rows])
    assert (students.target(y, teacher, 0.0) == y).all()
    assert (students.target(y, teacher, 1.0) == teacher).all()
    target = students.target(y, teacher, distill_weight)
    assert target == pytest.approx(y + distill_weight * (teacher - y), abs=1e-12)
    assert (target >= 0).all() and (target <= 1).all()


@examples(150)
@given(
    returns=st.lists(st.floats(-0.3, 0.3), min_size=4, max_size=60),
    threshold=st.floats(-0.05, 0.05),
    cost=st.floats(0, 0.05),
)
def test_trading_pays_from_the_threshold_on(returns: list[float], threshold: float, cost: float) -> None:
    """At and above the returned probability a trade's expected return meets its cost; below it does not."""
    earned = np.array(returns)
    y = (earned > threshold).astype(np.int8)
    assume(0 < y.sum() < len(y))
    gain, loss = earned[y == 1].mean(), -earned[y == 0].mean()

    def expected(p: float) -> float:
        return float(p * gain - (1.0 - p) * loss)

    p = students.trade_threshold(y, earned, cost)
    if p is None:
        assert expected(1.0) <= cost
    elif p == 0.0:
        assert expected(0.0) >= cost - 1e-12
    else:
        assert 0.0 < p <= 1.0
        assert expected(p) == pytest.approx(cost, abs=1e-9)


def test_round_trip_cost_counts_slippage_twice() -> None:
    """A round trip costs its fees once and slippage on both sides: 24 + 2 * 5 basis points."""
    assert round_trip_cost(SETTINGS) == pytest.approx(0.0034)


def test_student_is_scored_on_the_bars_after_its_window() -> None:
    """The student's scored probabilities are its stored model's on the scored rows, and nothing else's."""
    rows, labels = taught().rows, history().labels
    x = history().features[labels.t0[rows.scored]]
    stored = StudentModel.model_validate_json(trained().model.model_dump_json())
    assert students.score(stored, x).tobytes() == trained().scored_student.tobytes()
    assert trained().scored.tolist() == rows.scored.tolist()
    assert trained().metrics["scored_log_loss"] == log_loss(labels.y[rows.scored], trained().scored_student)
    assert trained().model.features == FEATURE_NAMES
