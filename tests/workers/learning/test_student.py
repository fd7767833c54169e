"""The student: its fit, the choice of its target, its calibration, and its folding into one dot product."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from schemas.config import model_kinds
from schemas.contract.artifact import StudentModel
from tests.strategies import examples, recipe, training_settings
from tests.workers.models.kinds import kinds
from workers.bars.series import Floats
from workers.learning.sample import Sample
from workers.learning.splits import BLOCKS, blocks
from workers.learning.student import (
    EXPECTED_LOGIT,
    LEAST_TEACHER,
    Shrinkage,
    StudentData,
    TeacherTargets,
    fit_student,
    judge,
    rewards,
    shrinkage,
    target,
    trade_threshold,
)
from workers.learning.student import student_data as student_data_of
from workers.models import booster, logistic
from workers.models.base import Fit
from workers.models.registry import MODEL_TYPES
from workers.scoring.log_loss import log_loss

SETTINGS = training_settings()


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
    """Beside an offset of 0 the student read back from JSON, one dot product, is scikit-learn's pipeline."""
    x, soft, weight = inputs
    fitted = logistic.Logistic.fit(x, soft, weight, np.zeros(len(x)), recipe("logistic"))
    model = StudentModel(
        features=tuple(f"x{i}" for i in range(x.shape[1])),
        coefficients=tuple(fitted.coefficients.tolist()),
        intercept=fitted.intercept,
        fill=tuple(fitted.fill.tolist()),
    )
    stored = StudentModel.model_validate_json(model.model_dump_json())
    imputer, scaler = SimpleImputer(), StandardScaler()
    standard = scaler.fit_transform(imputer.fit_transform(x))
    reference = LogisticRegression(C=1.0 / model_kinds.LinearParameters().ridge, max_iter=10_000, tol=1e-12).fit(
        np.concatenate([standard, standard]),
        np.repeat([1, 0], len(soft)),
        sample_weight=np.concatenate([weight * soft, weight * (1.0 - soft)]),
    )
    unseen = np.concatenate([x, x[::-1] * 1.7])
    expected = reference.predict_proba(scaler.transform(imputer.transform(unseen)))[:, 1]
    again = logistic.Logistic(np.asarray(stored.coefficients), stored.intercept, np.asarray(stored.fill))
    assert again.margin(unseen).tobytes() == fitted.margin(unseen).tobytes()
    np.testing.assert_allclose(expit(again.margin(unseen)), expected, rtol=0, atol=1e-4)


def test_a_soft_label_is_fitted_as_a_soft_label() -> None:
    """With one constant feature the student predicts the weighted mean of its soft labels."""
    soft, weight = np.linspace(0.1, 0.7, 50), np.linspace(1.0, 3.0, 50)
    x = np.full((50, 1), 3.0)
    fitted = logistic.Logistic.fit(x, soft, weight, np.zeros(50), recipe("logistic"))
    assert fitted.coefficients.tolist() == [0.0]
    p = 1.0 / (1.0 + np.exp(-fitted.intercept))
    assert p == pytest.approx(np.average(soft, weights=weight), abs=1e-4)
    assert fitted.fill.tolist() == [3.0]


def test_a_column_that_is_always_missing_counts_for_nothing() -> None:
    """A feature without any value has coefficient 0 and fill 0, and does not affect the other one."""
    rng = np.random.default_rng(0)
    x, soft = rng.normal(size=(60, 1)), rng.uniform(size=60)
    alone = logistic.Logistic.fit(x, soft, np.ones(60), np.zeros(60), recipe("logistic"))
    wider = np.concatenate([x, np.full((60, 1), np.nan)], axis=1)
    both = logistic.Logistic.fit(wider, soft, np.ones(60), np.zeros(60), recipe("logistic"))
    assert both.coefficients[1] == 0.0 and both.fill[1] == 0.0
    assert both.coefficients[0] == pytest.approx(alone.coefficients[0], rel=1e-9)


@examples(60)
@given(
    rows=st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=50),
    distill_weight=st.floats(0, 1),
)
def test_target_lies_between_label_and_teacher(rows: list[tuple[int, float]], distill_weight: float) -> None:
    """The soft label is the label at weight 0, the teacher's prediction at 1, and in between in proportion."""
    y = np.array([label for label, _ in rows], dtype=np.int8)
    teacher = np.array([prediction for _, prediction in rows])
    assert (target(y, teacher, 0.0) == y).all()
    assert target(y, teacher, 1.0) == pytest.approx(teacher, abs=2e-6)
    soft = target(y, teacher, distill_weight)
    assert soft == pytest.approx(y + distill_weight * (teacher - y), abs=2e-6)
    assert (soft >= 0).all() and (soft <= 1).all()


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

    p = trade_threshold(y, earned, cost)
    if p is None:
        assert expected(1.0) <= cost
    elif p == 0.0:
        assert expected(0.0) >= cost - 1e-12
    else:
        assert 0.0 < p <= 1.0
        assert expected(p) == pytest.approx(cost, abs=1e-9)


def test_what_the_offset_knows_is_not_fitted_again() -> None:
    """Where the offset is the rows' true logit, columns that carry it add nothing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 2))
    p = 1.0 / (1.0 + np.exp(-x[:, 0]))
    beside, alone = (
        logistic.Logistic.fit(x, p, np.ones(4000), offset, recipe("logistic")) for offset in (x[:, 0], np.zeros(4000))
    )
    assert beside.coefficients == pytest.approx([0.0, 0.0], abs=1e-9)
    assert alone.coefficients[0] > 0.8


def student_data(seed: int = 0, rows: int = 1200, signal: float = 1.0, without: bool = True) -> StudentData:
    """Independent rows of one symbol whose first feature carries `signal`; all teachers predict the true probability.

    `without`: with predictions for soft labels, as of a teacher with privileged inputs.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    p = 1.0 / (1.0 + np.exp(-signal * x[:, 0]))
    block = blocks(np.arange(rows)).astype(np.int64)
    bits = sum((1 << held) * (block != held) for held in range(BLOCKS))
    y, t0, ones = (rng.random(rows) < p).astype(np.int8), np.arange(rows), np.ones(rows)
    # Half of 1e9 known labels are positive, so every base rate is a half.
    sample = Sample(
        lambda _, places: x[places], y, t0, t0, ones, np.zeros(rows, dtype=np.int64), t0, ("A",),
        np.array([[5e8], [1e9]]),
    )  # fmt: skip
    names = np.full(rows, "A", dtype=object)
    targets = TeacherTargets(names, t0, block, bits, p, np.repeat(p[:, None], BLOCKS, axis=1) if without else None)
    return student_data_of(sample, ones, targets, 1, 1)


def other_teacher(known: StudentData, predicted: Floats) -> StudentData:
    """The same rows with a teacher of other predictions."""
    without = None if known.targets.without is None else np.repeat(predicted[:, None], BLOCKS, axis=1)
    return replace(known, targets=replace(known.targets, own=predicted, without=without))


def test_soft_labels_of_a_teacher_that_knows_are_taken_and_of_one_that_errs_are_not() -> None:
    """Labels are mixed with true probabilities mostly, with their opposite never."""
    chosen = [fit_student(student_data(seed), SETTINGS)[0] for seed in range(12)]
    assert sum(each.taught for each in chosen) >= 8
    assert {each.taught_weight for each in chosen} <= {0.0, SETTINGS.distill_weight}
    wrong = [student_data(seed, signal=3.0) for seed in range(6)]
    assert not any(fit_student(other_teacher(each, 1.0 - each.targets.own), SETTINGS)[0].taught for each in wrong)


def test_labels_are_not_mixed_with_themselves() -> None:
    """A teacher whose predictions equal the labels is no better than none, so its predictions are not used."""
    known = student_data()
    assert not fit_student(other_teacher(known, known.sample.y.astype(float)), SETTINGS)[0].taught


def test_no_weight_is_no_teacher() -> None:
    """With weight 0 labels are never mixed; with another the labels alone are fitted as well."""
    known = student_data()
    fitted, alone = fit_student(known, training_settings(distill_weight=0.0))
    assert fitted == alone and not fitted.taught
    _, same = fit_student(known, training_settings(distill_weight=1.0))
    assert same.model.margin(known.sample.x).tobytes() == alone.model.margin(known.sample.x).tobytes()


def test_a_teacher_that_knows_more_is_added() -> None:
    """What only the teacher sees is added to the student's margin, most of it; what both see, hardly."""
    rng = np.random.default_rng(0)
    same = student_data(without=False)
    seen = logit(same.targets.own)
    hidden = rng.normal(size=len(seen))
    p = 1.0 / (1.0 + np.exp(-(seen + hidden)))
    y = (rng.random(len(p)) < p).astype(np.int8)
    known = other_teacher(replace(same, sample=replace(same.sample, y=y)), p)
    more, alone = fit_student(known, SETTINGS)
    assert more.taught and more.teacher.factor > 0.3 and not alone.taught
    assert more.out_of_fold_loss is not None and alone.out_of_fold_loss is not None
    assert more.out_of_fold_loss < alone.out_of_fold_loss - 0.03
    assert fit_student(same, SETTINGS)[0].teacher.factor < 0.3


def test_a_teacher_of_noise_adds_nothing() -> None:
    """Predictions that are drawn at random add nothing in most windows, and then the student is that without them."""
    drawn = [
        other_teacher(student_data(seed, without=False), np.random.default_rng(seed).random(1200)) for seed in range(8)
    ]
    fitted = [fit_student(each, SETTINGS) for each in drawn]
    assert sum(student.taught for student, _ in fitted) <= 3
    assert all(student == alone for student, alone in fitted if not student.taught and student.teacher == alone.teacher)


def test_a_teacher_that_adds_next_to_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its share of 0.0009 would change no probability that is shown, and would be stored, deployed and read."""
    drawn = other_teacher(student_data(15, without=False), np.random.default_rng(15).random(1200))
    assert fit_student(drawn, SETTINGS)[0].teacher.factor == 0.0
    monkeypatch.setattr("workers.learning.student.LEAST_TEACHER", 0.0)
    assert 0.0 < fit_student(drawn, SETTINGS)[0].teacher.kept < LEAST_TEACHER


@pytest.mark.parametrize("held", range(BLOCKS))
def test_a_student_knows_nothing_of_the_block_that_judges_it(held: int) -> None:
    """A block's labels, and predictions of teachers that saw them, change no margin that judges that block."""
    known = student_data()
    mine = known.block == held
    others = np.array([block != held for block in range(BLOCKS)])
    assert known.targets.without is not None
    spoilt = replace(
        known,
        sample=replace(known.sample, y=np.where(mine, 1 - known.sample.y, known.sample.y).astype(np.int8)),
        targets=replace(known.targets, without=np.where(others[None, :], 0.01, known.targets.without)),
    )
    first, second = (judge(each, 1.0, SETTINGS) for each in (known, spoilt))
    assert (
        first.margin[known.block[first.rows] == held].tobytes()
        == second.margin[known.block[second.rows] == held].tobytes()
    )


def slopes(true: float, rows: int, seed: int) -> Shrinkage:
    """Shrinkage of margins of deviation 1 whose true slope beside an offset of -0.5 is `true`."""
    rng = np.random.default_rng(seed)
    margin, offset = rng.normal(size=rows), np.full(rows, -0.5)
    y = (rng.random(rows) < 1.0 / (1.0 + np.exp(-(offset + true * margin)))).astype(np.int8)
    return shrinkage(margin, offset, y, np.ones(rows), np.arange(rows), EXPECTED_LOGIT)


def test_a_sure_slope_is_kept() -> None:
    """With many rows the slope is found and nearly all of it kept; its error is that of the information matrix."""
    found = slopes(0.6, 20000, 0)
    assert found.slope is not None and found.error is not None
    assert found.slope == pytest.approx(0.6, abs=4 * found.error)
    assert found.factor == pytest.approx(found.slope, rel=0.03)
    assert found.error == pytest.approx(1.0 / np.sqrt(20000 * 0.22), rel=0.1)


def test_a_slope_below_nothing_is_flat() -> None:
    """Margins that mislead add nothing to the base rate."""
    assert slopes(-0.6, 8000, 2).factor == 0.0


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_an_unsure_slope_keeps_little_whatever_its_scale(scale: float) -> None:
    """Kept is t^4 / (t^4 + 4) d^2 / (d^2 + error^2), 0 below 0, at any scale of margins."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        margin, y = rng.normal(size=60), (rng.random(60) < 0.4).astype(np.int8)
        found, scaled = (
            shrinkage(each, np.zeros(60), y, np.ones(60), np.arange(60), EXPECTED_LOGIT)
            for each in (margin, scale * margin)
        )
        assert found.slope is not None and found.error is not None
        slope, error = found.slope * margin.std(), found.error * margin.std()
        t = max(slope / error, 0.0)
        sure = t**4 / (t**4 + 4.0)
        assert found.kept == pytest.approx(sure * EXPECTED_LOGIT**2 / (EXPECTED_LOGIT**2 + error**2), rel=1e-9)
        assert found.kept < 0.25
        assert scale * scaled.factor == pytest.approx(found.factor, rel=1e-6)


def test_rows_that_are_copies_are_not_more_rows() -> None:
    """Five copies of each row in one cluster, with a fifth of the weight each, have the error of the rows alone."""
    rng = np.random.default_rng(5)
    margin, y = rng.normal(size=300), (rng.random(300) < 0.4).astype(np.int8)
    once = shrinkage(margin, np.zeros(300), y, np.ones(300), np.arange(300), EXPECTED_LOGIT)
    copied = shrinkage(
        np.repeat(margin, 5),
        np.zeros(1500),
        np.repeat(y, 5),
        np.full(1500, 0.2),
        np.repeat(np.arange(300), 5),
        EXPECTED_LOGIT,
    )
    assert copied.error == pytest.approx(once.error, rel=1e-6)


def test_two_rows_of_a_class_and_a_constant_margin_keep_nothing() -> None:
    """Labels that can show no slope are no evidence: factor 0, and no slope is stored."""
    y = np.array([1, 1] + [0] * 50, dtype=np.int8)
    assert shrinkage(np.arange(52.0), np.zeros(52), y, np.ones(52), np.arange(52), 0.1) == Shrinkage(0.0, None, None)
    y = np.array([1, 0] * 26, dtype=np.int8)
    assert shrinkage(np.ones(52), np.zeros(52), y, np.ones(52), np.arange(52), 0.1) == Shrinkage(0.0, None, None)


@pytest.mark.parametrize("kind", kinds("student"))
def test_a_scaled_model_gives_so_much_of_its_margin(kind: str) -> None:
    """Folding a factor in is the same as applying it to the margin."""
    sample = student_data().sample
    model = MODEL_TYPES[kind].fit(sample.x, sample.y.astype(float), sample.weight, np.zeros(len(sample)), recipe(kind))
    assert model.scaled(0.5).scaled(3.0).margin(sample.x) == pytest.approx(1.5 * model.margin(sample.x), abs=1e-12)


@pytest.mark.parametrize("kind", kinds("student", slow=("random-forest", "extra-trees")))
def test_models_that_are_fitted_together_do_not_see_rows_of_weight_0(kind: str) -> None:
    """Of several fits at once each is the fit of its own rows; a logistic model's columns are scaled on all rows."""
    sample = student_data().sample
    half = np.arange(len(sample)) % 2 == 0
    weight = np.stack([np.where(half, 1.0, 0.0), np.where(half, 0.0, 1.0)])
    soft, offset = np.tile(sample.y.astype(float), (2, 1)), np.zeros_like(weight)
    spoilt = soft.copy()
    spoilt[0, ~half] = 1.0 - soft[0, ~half]
    together, again = (
        MODEL_TYPES[kind].fit_many(sample, map(Fit, each, weight, offset), recipe(kind)) for each in (soft, spoilt)
    )
    assert together[0].margin(sample.x).tobytes() == again[0].margin(sample.x).tobytes()
    own = MODEL_TYPES[kind].fit(sample.x[half], soft[0, half], weight[0, half], offset[0, half], recipe(kind))
    assert together[0].margin(sample.x) == pytest.approx(own.margin(sample.x), abs=0.05)


def test_a_booster_student_survives_its_file() -> None:
    """Read back from its bytes it gives the same margins, bit for bit; a second fit gives the same bytes."""
    sample, soft = student_data().sample, soft_labels()
    model, again = (
        booster.Booster.fit(sample.x, soft, sample.weight, np.zeros(len(soft)), recipe("booster", seed=7)).scaled(0.7)
        for _ in range(2)
    )
    content = model.encode(["a", "b", "c"])
    read, features = booster.Booster.decode(content)
    assert features == ("a", "b", "c")
    assert read.margin(sample.x).tobytes() == model.margin(sample.x).tobytes()
    assert again.encode(["a", "b", "c"]) == content


def soft_labels() -> Floats:
    known = student_data()
    return target(known.sample.y, known.targets.own, 0.5)


def test_a_soft_label_is_two_weighted_hard_ones() -> None:
    """XGBoost on soft labels equals XGBoost on each row twice, with weights q and 1 - q."""
    x, soft = student_data().sample.x, soft_labels()
    once = booster.Booster.fit(x, soft, np.ones(len(soft)), np.zeros(len(soft)), recipe("booster"))
    import xgboost as xgb

    parameters = {
        "objective": "binary:logistic", "tree_method": "hist", "max_bin": 64, "max_depth": 2, "eta": 0.1,
        "min_child_weight": 3.0, "reg_lambda": 5.0, "base_score": 0.5, "nthread": 1, "seed": 0,
    }  # fmt: skip
    twice = xgb.QuantileDMatrix(
        np.repeat(x, 2, axis=0), np.tile([1.0, 0.0], len(soft)),
        weight=np.stack([soft, 1.0 - soft], axis=1).ravel(), max_bin=64,
    )  # fmt: skip
    expected = xgb.train(parameters, twice, 40).inplace_predict(x, predict_type="margin")
    assert once.margin(x) == pytest.approx(expected, abs=1e-5)


def test_rewards_are_sizes_with_mean_one() -> None:
    """|net return| in volatilities of the horizon, at most 3 of them, scaled to mean 1; without volatility it is 1."""
    net, sigma = np.array([0.02, -0.02, 0.5, 0.0]), np.array([0.01, 0.01, 0.01, 0.01])
    sizes = np.array([1.0, 1.0, 3.0, 0.0])
    assert rewards(net, sigma, 4) == pytest.approx(sizes / sizes.mean())
    assert rewards(np.array([0.1, 0.1]), np.array([np.nan, 0.05]), 1) == pytest.approx([2 / 3, 4 / 3])
    assert rewards(np.zeros(3), np.full(3, 0.01), 5).tolist() == [1.0, 1.0, 1.0]


def test_rewards_weigh_the_fit_and_not_the_shrinkage() -> None:
    """Another reward gives another model; rows are judged with their own weights."""
    known = student_data(without=False)
    weighed = replace(known, reward=np.linspace(0.1, 1.9, len(known.sample)))
    plain, other = (judge(each, 0.0, SETTINGS) for each in (known, weighed))
    assert plain.student.model.margin(known.sample.x).tobytes() != other.student.model.margin(known.sample.x).tobytes()
    y, weight = known.sample.y[other.rows], np.ones(len(other.rows))
    again = shrinkage(other.margin, other.offset, y, weight, known.cluster[other.rows], EXPECTED_LOGIT)
    assert again == other.student.shrinkage


def test_a_student_of_a_true_signal_beats_the_base_rate() -> None:
    """On new rows of the same world its log loss is below that of the base rate."""
    known, new = student_data(1), student_data(2, 4000)
    model = fit_student(known, SETTINGS)[0].model
    prior = np.full(len(new.sample), known.sample.y.mean())
    assert log_loss(new.sample.y, expit(model.margin(new.sample.x))) < log_loss(new.sample.y, prior) - 0.05


def test_a_slope_below_0_is_stored_as_a_plain_0() -> None:
    """`serving.json` holds the factor: -0.0 there would look like a teacher that is used backwards."""
    assert str(Shrinkage(0.0, -1.5, 0.5).factor) == "0.0"
