"""A window from bars to student: the rows that it may use, the inputs of its models, and equal bytes when repeated."""

import json
from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from orchestrator.planning.windows import lay_windows
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import Serving
from schemas.contract.errors import DataError
from schemas.contract.window import WARMUP_BARS, SkipReason, Window
from tests.strategies import FIRST_DAY, daily_walk, examples, part, training_settings, walk_on, weekdays
from tests.workers.learning.targets import counts_for, student_for
from workers.bars.calendar import day_number
from workers.bars.series import Series
from workers.features.frame import RAW_INDICATORS
from workers.features.registry import feature_names
from workers.learning.history import History, prepare, select_rows
from workers.learning.label_table import label_columns
from workers.learning.skip import Skip
from workers.learning.window import TrainedTeacher, fit_window_teacher
from workers.learning.window_student import TrainedStudent
from workers.models.logistic import Logistic
from workers.models.xgboost import XGBoost
from workers.scoring.log_loss import log_loss

SETTINGS = training_settings()
WINDOW = Window(symbol="M&M", start=date(2021, 7, 1), end=date(2022, 3, 1), score_end=date(2022, 6, 1))
BARS = 520  # from 2020-10-01 to 2022-09-28: enough before, inside and after WINDOW


def day_of(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=int(number))


@st.composite
def histories(draw: st.DrawFn, least_days: int = 170) -> tuple[History, int]:
    """Daily or intraday bars on weekdays of which some are holidays, and their labels' horizon."""
    days = weekdays(FIRST_DAY, draw(st.integers(least_days, 330)))
    holidays = draw(st.sets(st.integers(0, len(days) - 1), max_size=20))
    bars_per_session = draw(st.sampled_from([1, 1, 3]))
    sessions = [day_number(day) for i, day in enumerate(days) if i not in holidays]
    series = walk_on(np.repeat(np.array(sessions, dtype=np.int64), bars_per_session), draw(st.integers(0, 99)))
    horizon = draw(st.integers(1, 12))
    interval = "1day" if bars_per_session == 1 else "30minute"
    return prepare(series, training_settings(horizon_bars=horizon, interval=interval, cross_session=True)), horizon


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Windows that begin before, in or after the bars of `histories`."""
    start = FIRST_DAY + timedelta(days=draw(st.integers(-30, 420)))
    end = start + timedelta(days=draw(st.integers(7, 250)))
    return Window(symbol="A", start=start, end=end, score_end=end + timedelta(days=draw(st.integers(1, 120))))


@st.composite
def trained_windows(draw: st.DrawFn) -> tuple[History, Window, TrainingSettings]:
    """A history, and a window in it with at least 20 rows to train on and one to score."""
    history, horizon = draw(histories(least_days=230))
    settings = training_settings(min_rows=20, horizon_bars=horizon, lookback="window")
    session = history.series.session
    last_end = len(session) - horizon - 1  # the last bar with a label
    end = day_of(session[draw(st.integers(WARMUP_BARS + 20 + horizon + settings.embargo_bars + 3, last_end))])
    last_start = int(np.searchsorted(session, day_number(end))) - horizon - settings.embargo_bars - 20
    start = day_of(session[draw(st.integers(0, last_start))])
    score_end = end + timedelta(days=draw(st.integers(1, 120)))
    return history, Window(symbol="A", start=start, end=end, score_end=score_end), settings


@examples(100)
@given(
    generated=histories(),
    window=windows(),
    embargo=st.integers(0, 9),
    lookback=st.sampled_from(["window", "expanding", "400"]),
)
def test_rows_are_those_that_dates_allow(
    generated: tuple[History, int], window: Window, embargo: int, lookback: str
) -> None:
    """Training rows are decided in the lookback and ended an embargo before the window's end, scored ones after it.

    All are warmed up.
    """
    history, horizon = generated
    days = [day_of(number) for number in history.series.session]
    ended = range(WARMUP_BARS, len(days) - horizon)
    before = sum(day < window.end for day in days)
    first = {"window": window.start, "expanding": date.min}.get(lookback, window.end - timedelta(days=400))
    train = [t for t in ended if first <= days[t] and t + horizon + embargo < before]
    scored = [t for t in ended if window.end <= days[t] < window.score_end]
    settings = training_settings(min_rows=20, horizon_bars=horizon, embargo_bars=embargo, lookback=lookback)
    try:
        rows = select_rows(history, window, settings)
    except Skip:
        assert sum(window.start <= days[t] for t in train) < 20 or not scored
        return
    assert rows.train.tolist() == train
    assert rows.scored.tolist() == scored


@examples(30)
@given(generated=trained_windows())
def test_no_training_label_sees_the_scored_block(generated: tuple[History, Window, TrainingSettings]) -> None:
    """The last bar of every training label is of a day before the window's end, where scoring begins."""
    history, window, settings = generated
    rows = select_rows(history, window, settings)
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
            rows = select_rows(history, window, training_settings(min_rows=20, horizon_bars=horizon))
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
    """A window with bars only before and after it is no_data, and the sentence names its days."""
    days = np.array([day_number(day) for day in weekdays(FIRST_DAY, 600)], dtype=np.int64)
    hole = (days < day_number(WINDOW.start)) | (days >= day_number(WINDOW.end))
    skip = skipped(walk_on(days[hole], seed=0), WINDOW)
    assert skip.reason is SkipReason.NO_DATA
    assert str(WINDOW.start) in str(skip) and str(WINDOW.end) in str(skip)


def test_a_window_whose_rows_are_cold_is_skipped_as_insufficient_history() -> None:
    """Enough rows, but fewer bars than the warm-up before them: insufficient_history, with the counts."""
    skip = skipped(daily_walk(400, first=WINDOW.start), WINDOW)
    assert skip.reason is SkipReason.INSUFFICIENT_HISTORY
    assert str(WARMUP_BARS) in str(skip) and "40 needed" in str(skip)


def test_a_short_window_is_skipped_as_insufficient_samples() -> None:
    """A window of too few labelled rows: insufficient_samples, with how many there are."""
    short = WINDOW.model_copy(update={"start": WINDOW.end - timedelta(days=28)})
    skip = skipped(daily_walk(BARS), short)
    assert skip.reason is SkipReason.INSUFFICIENT_SAMPLES
    assert str(skip) == "14 labelled rows, 40 needed"


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
    """Labels that are all 0, or all 1, cannot be learned from: single_class, with the count of positives."""
    settings = training_settings(threshold=threshold)
    with pytest.raises(Skip, match=r"of \d+ fitted rows are positive") as caught:
        fit_teacher(prepare(daily_walk(BARS), settings), settings)
    assert caught.value.reason is SkipReason.SINGLE_CLASS


def skipped(series: Series, window: Window) -> Skip:
    """The Skip that training `window` on `series` ends in."""
    with pytest.raises(Skip) as caught:
        fit_window_teacher({"M&M": prepare(series, SETTINGS)}, window, SETTINGS, {}, "cpu")
    return caught.value


@cache
def history() -> History:
    return prepare(daily_walk(BARS), SETTINGS)


@cache
def trained_teacher() -> TrainedTeacher:
    return fit_teacher(history())


def fit_teacher(known: History, settings: TrainingSettings = SETTINGS) -> TrainedTeacher:
    """WINDOW's teacher on its symbol's history."""
    return fit_window_teacher({"M&M": known}, WINDOW, settings, counts_for({"M&M": known}, WINDOW, settings), "cpu")


def fit_student(known: History, teacher: TrainedTeacher) -> TrainedStudent:
    """WINDOW's student."""
    return student_for({"M&M": known}, WINDOW, SETTINGS, teacher)


@cache
def trained() -> TrainedStudent:
    return fit_student(history(), trained_teacher())


def coefficients(student: TrainedStudent) -> tuple[bytes, float, Serving]:
    model = student.fitted.model
    assert isinstance(model, Logistic)
    return model.coefficients.tobytes(), model.intercept, student.serving


def test_training_twice_gives_the_same_bytes() -> None:
    """The same bars and settings give the same booster bytes, out-of-fold predictions and coefficients."""
    fresh = prepare(daily_walk(BARS), SETTINGS)
    again = fit_teacher(fresh)
    assert again.teacher.model.encode(()) == trained_teacher().teacher.model.encode(())
    assert again.own.tobytes() == trained_teacher().own.tobytes()
    assert (again.metrics, again.certificate) == (trained_teacher().metrics, trained_teacher().certificate)
    student = fit_student(fresh, again)
    assert coefficients(student) == coefficients(trained())
    assert student.scored_student.tobytes() == trained().scored_student.tobytes()


def test_bars_after_the_scored_block_change_nothing() -> None:
    """A window's teacher, out-of-fold predictions and student are the same whether or not later bars are known."""
    needed = int(history().labels.t1[trained().scored.row].max()) + 1
    assert needed < BARS
    shorter = prepare(part(history().series, slice(0, needed)), SETTINGS)
    teacher = fit_teacher(shorter)
    assert teacher.teacher.model.encode(()) == trained_teacher().teacher.model.encode(())
    assert coefficients(fit_student(shorter, teacher)) == coefficients(trained())


def test_the_scored_block_does_not_affect_training() -> None:
    """Overwriting the bars from the window's end on changes neither teacher nor student."""
    series = history().series
    later = series.session >= day_number(WINDOW.end)
    moved = prepare(
        replace(series, close=np.where(later, 1e3, series.close), open=np.where(later, 7.0, series.open)),
        training_settings(keep_jumps=True),
    )
    teacher = fit_teacher(moved)
    assert teacher.teacher.model.encode(()) == trained_teacher().teacher.model.encode(())
    assert coefficients(fit_student(moved, teacher)) == coefficients(trained())


def test_another_seed_gives_another_teacher() -> None:
    """The seed reaches the booster: another one gives another model."""
    teacher = fit_teacher(history(), training_settings(seed=7))
    assert teacher.teacher.parameters["seed"] == "7"
    assert teacher.teacher.model.encode(()) != trained_teacher().teacher.model.encode(())


def test_parameters_are_the_boosters_own() -> None:
    """Recorded parameters equal the booster's own config; its margins begin from the offset alone."""
    teacher = trained_teacher().teacher
    assert isinstance(teacher.model, XGBoost)
    learner = json.loads(teacher.model.trees.save_config())["learner"]
    tree = learner["gradient_booster"]["tree_train_param"]
    for key in ("max_depth", "eta", "min_child_weight", "subsample", "colsample_bytree", "lambda", "max_bin"):
        assert teacher.parameters[key] == tree[key], key
    assert float(str(teacher.parameters["eta"])) == pytest.approx(0.05)
    assert teacher.parameters["max_depth"] == "3"
    assert teacher.parameters["max_bin"] == "64"
    assert teacher.parameters["objective"] == "binary:logistic"
    assert teacher.parameters["nthread"] == "1"
    assert teacher.parameters["seed"] == str(SETTINGS.seed)
    assert float(str(teacher.parameters["base_score"]).strip("[]")) == 0.5


def test_the_stored_booster_keeps_the_best_rounds_only() -> None:
    """The booster has as many trees as early stopping kept, and its tail log loss is the one recorded."""
    teacher = trained_teacher().teacher
    assert teacher.model.rounds == teacher.rounds <= 200
    split = trained_teacher().split
    tail = split.tail
    p = teacher.model.predict(
        trained_teacher().sample.x[tail],
        float(trained_teacher().sample.offsets(np.isin(np.arange(len(trained_teacher().sample)), split.fit))[0]),
    )
    assert log_loss(trained_teacher().sample.y[tail], p) == pytest.approx(teacher.tail_loss, rel=1e-5)


def test_a_stored_booster_predicts_the_same() -> None:
    """A booster read back from its bytes gives every row the same probability, bit for bit."""
    stored, _ = XGBoost.decode(trained_teacher().teacher.model.encode(()))
    x = history().features
    assert stored.predict(x, 0.3).tobytes() == trained_teacher().teacher.model.predict(x, 0.3).tobytes()


def test_importance_names_every_feature_once() -> None:
    """Importance lists each feature with its share of the gain, best first; shares add up to 1."""
    rows = trained_teacher().teacher.model.importance(feature_names())
    assert sorted(name for name, _, _ in rows) == sorted(feature_names())
    shares = [share for _, share, _ in rows]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0)
    assert [rank for _, _, rank in rows] == list(range(1, len(feature_names()) + 1))


def test_weights_count_overlap() -> None:
    """A row weighs one over the labels alive beside it; the effective number of rows is the rows over the horizon."""
    assert np.median(trained_teacher().sample.weight) == pytest.approx(1 / SETTINGS.horizon_bars)
    rows = len(trained_teacher().sample.row)
    assert trained_teacher().metrics["effective_rows"] == pytest.approx(rows / SETTINGS.horizon_bars, rel=0.1)


def test_label_columns_record_how_each_row_was_used() -> None:
    """The stored label table has one value per training row in each column; each row is fit, purged or tail."""
    columns = label_columns({"M&M": history()}, trained_teacher())
    rows = len(trained_teacher().sample.row)
    assert {len(values) for values in columns.values()} == {rows}
    assert set(RAW_INDICATORS) < set(columns)
    parts = list(columns["part"])
    split = trained_teacher().split
    used = {"fit": split.fit, "purged": split.purged, "tail": split.tail}
    assert all(np.flatnonzero(np.array(parts) == name).tolist() == rows.tolist() for name, rows in used.items())
    assert (np.asarray(columns["label_end"]) > np.asarray(columns["timestamp"])).all()


def test_student_is_scored_on_the_bars_after_its_window() -> None:
    """The student's scored probabilities are its model's on the scored rows, and nothing else's."""
    scored, labels = select_rows(history(), WINDOW, SETTINGS).scored, history().labels
    x = history().features[labels.t0[scored]]
    serving = trained().serving
    teacher = trained_teacher().teacher.model.scaled(serving.teacher_factor).margin(x)
    margin = serving.offsets["M&M"] + (trained().fitted.model.margin(x) + teacher)
    assert expit(margin).tobytes() == trained().scored_student.tobytes()
    assert trained().scored.row.tolist() == scored.tolist()
    assert trained().metrics["scored_log_loss"] == log_loss(labels.y[scored], trained().scored_student)


def test_a_student_without_a_teacher_does_not_depend_on_it() -> None:
    """The scores of `alone` are the same for any teacher; what is kept of the teacher is another share."""
    known = prepare(daily_walk(BARS, seed=2), SETTINGS)
    teacher = fit_teacher(known)
    student, other = (
        fit_student(known, teacher),
        fit_student(known, replace(teacher, own=1.0 - teacher.own)),
    )
    assert student.scored_alone.tobytes() == other.scored_alone.tobytes()
    assert student.fitted.teacher != other.fitted.teacher


def test_rows_of_other_bars_than_the_teachers_are_refused() -> None:
    """A student whose rows are not those that its teacher was trained on is an error; no student is trained."""
    other = replace(trained_teacher(), sample=replace(trained_teacher().sample, row=trained_teacher().sample.row + 1))
    with pytest.raises(DataError, match="its teacher was trained on other bars"):
        fit_student(history(), other)


@pytest.mark.parametrize("unit", ["return", "sigma"])
def test_barriers_choose_no_rows(unit: str) -> None:
    """With three barriers, rows are those whose whole horizon fits, however early a barrier ended their labels."""
    fixed = prepare(daily_walk(BARS), SETTINGS)
    barriers = training_settings(label="triple-barrier", threshold_unit=unit, take_profit=0.2, stop_loss=0.2)
    early = prepare(daily_walk(BARS), barriers)
    assert (early.labels.t1 < early.labels.t0 + SETTINGS.horizon_bars).mean() > 0.5
    t0 = early.labels.t0[select_rows(early, WINDOW, barriers).train]
    assert t0.tolist() == fixed.labels.t0[select_rows(fixed, WINDOW, SETTINGS).train].tolist()


def test_no_label_that_ends_on_a_day_of_others_is_scored() -> None:
    """With `labels_before` the horizon of every scored row ends before that day, and all such rows are scored."""
    series = daily_walk(BARS)
    history, day = prepare(series, SETTINGS), date(2022, 4, 20)
    rows = select_rows(history, WINDOW, SETTINGS).scored
    before = select_rows(history, WINDOW.model_copy(update={"labels_before": day}), SETTINGS).scored
    ends = series.session[history.labels.t0[rows] + SETTINGS.horizon_bars]
    assert before.tolist() == rows[ends < day_number(day)].tolist()
    assert 0 < len(before) < len(rows)
    assert "labels_before" not in WINDOW.model_dump() and WINDOW.in_scope("panel").labels_before is None
