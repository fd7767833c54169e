"""The teacher trains on the requested device, and out-of-fold predictions come from models not fitted on the row."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract.errors import RequestError
from tests.strategies import examples, recipe
from workers.bars.series import Floats
from workers.learning.sample import Sample
from workers.learning.splits import BLOCKS, apart, blocks, held_out_sets, split_tail
from workers.learning.teacher import fit_teacher, out_of_fold_predictions
from workers.models.xgboost import XGBoost

HORIZON, EMBARGO = 4, 1
RECIPE = recipe("xgboost", "teacher", seed=5)


def sample(rows: int = 90, members: int = 1, seed: int = 0) -> Sample:
    """Daily rows of `members` symbols whose labels span HORIZON bars; the first feature carries a signal."""
    rng = np.random.default_rng(seed)
    t0 = np.repeat(np.arange(rows), members)
    x = rng.normal(size=(len(t0), 4))
    y = (x[:, 0] + rng.normal(size=len(t0)) > 0).astype(np.int8)
    member = np.tile(np.arange(members), rows)
    nothing = np.zeros((2, members))
    weight = rng.uniform(0.1, 0.3, len(t0))
    symbols, t1 = tuple("ABC"[:members]), t0 + HORIZON
    return with_known(Sample(lambda _, places: x[places], y, t0, t1, weight, member, t0, symbols, nothing))


def with_known(sample: Sample, positives: float = 0.0, total: float = 0.0) -> Sample:
    """The sample, whose known labels are its own and `total` earlier ones per symbol, `positives` of them positive."""

    def summed(weight: Floats) -> Floats:
        return np.bincount(sample.member, weights=weight, minlength=len(sample.symbols)).astype(np.float64)

    known = np.stack([summed(sample.weight * sample.y) + positives, summed(sample.weight) + total])
    return replace(sample, known=known)


def predicted(known: Sample) -> tuple[Floats, np.ndarray]:
    """Predictions per block, and the models of each row; that of its own block is among them."""
    block = blocks(known.t0)
    own, without, fitted_by = out_of_fold_predictions(known, known.x, block, EMBARGO, XGBoost, RECIPE, True)
    assert without is not None
    assert without[np.arange(len(known)), block].tobytes() == own.tobytes()
    return without, fitted_by


def test_a_teacher_on_a_missing_gpu_is_an_error() -> None:
    """XGBoost without a usable GPU warns and trains on the CPU; that is refused, not stored."""
    known = sample()
    split = split_tail(known.t0, known.t1, EMBARGO)
    with warnings.catch_warnings(), pytest.raises(RequestError, match="was to train on cuda and trained on cpu"):
        warnings.simplefilter("ignore")
        fit_teacher(known, known.x, split, XGBoost, replace(RECIPE, device="cuda"))


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("secret", range(BLOCKS))
def test_predictions_without_a_block_know_nothing_of_it(secret: int, members: int) -> None:
    """Changing the rows that touch a block leaves every prediction without that block the same, bit for bit.

    Changed are labels, weights and features of each row whose span comes near the block, and the labels of the block.
    """
    known = sample(members=members)
    block = blocks(known.t0)
    near = np.ones(len(known), dtype=bool)
    near[apart(known.t0, known.t1, block, (secret,), EMBARGO)] = False
    strange = near & (block != secret)
    spoilt = with_known(
        replace(known, y=np.where(near, 1 - known.y, known.y).astype(np.int8), weight=np.where(near, 0.9, known.weight))
    )
    first, second = predicted(known)[0][:, secret], predicted(spoilt)[0][:, secret]
    assert strange.any()
    # The base rates leave these labels out again, to the last bits of a sum.
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-6)


@pytest.mark.parametrize("secret", range(BLOCKS))
def test_no_prediction_comes_from_a_model_of_the_rows_own_block(secret: int) -> None:
    """Inverting the labels of a block changes no out-of-fold prediction of that block's rows, in any column."""
    known = sample()
    mine = blocks(known.t0) == secret
    turned = with_known(replace(known, y=np.where(mine, 1 - known.y, known.y).astype(np.int8)))
    np.testing.assert_allclose(predicted(known)[0][mine], predicted(turned)[0][mine], rtol=0, atol=1e-6)


def test_fitted_by_records_the_models_of_each_row() -> None:
    """Bit m of `fitted_by` is set on exactly the rows apart from the blocks of model m."""
    known = sample(members=2)
    block = blocks(known.t0)
    _, fitted_by = predicted(known)
    for number, held_out in enumerate(held_out_sets(True)):
        seen = np.flatnonzero(fitted_by >> number & 1)
        assert seen.tolist() == apart(known.t0, known.t1, block, held_out, EMBARGO).tolist()


def test_every_row_has_a_prediction_per_block() -> None:
    """Each of the four columns holds a probability of each row."""
    out_of_fold, _ = predicted(sample())
    assert out_of_fold.shape == (90, BLOCKS)
    assert ((out_of_fold > 0) & (out_of_fold < 1)).all()


def test_a_model_without_rows_predicts_the_base_rate() -> None:
    """Where every row overlaps the held-out blocks, the earlier labels' share is predicted; without any, 0.5."""
    crowded = replace(sample(40), t1=np.full(40, 100))
    assert predicted(crowded)[0] == pytest.approx(np.full((40, BLOCKS), 0.5))
    assert predicted(with_known(crowded, 3.0, 10.0))[0] == pytest.approx(np.full((40, BLOCKS), 0.3), abs=1e-6)


@examples(30)
@given(seed=st.integers(0, 999), members=st.integers(1, 5))
def test_offsets_lie_between_the_members_share_and_the_panels(seed: int, members: int) -> None:
    """A symbol's base rate is shrunk towards the panel's, and not beyond it."""
    known = sample(60, members, seed)
    rows = np.arange(0, len(known), 2) if members == 1 else np.arange(len(known))
    offsets = known.offsets(np.isin(np.arange(len(known)), rows))
    pooled = np.average(known.y[rows], weights=known.weight[rows])
    for number, offset in enumerate(offsets):
        mine = rows[known.member[rows] == number]
        own = np.average(known.y[mine], weights=known.weight[mine])
        low, high = sorted((own, pooled))
        assert low - 1e-9 <= 1.0 / (1.0 + np.exp(-offset)) <= high + 1e-9


def test_probabilities_begin_from_the_offset() -> None:
    """One more on the offset is one more on the logit."""
    known = sample(members=3)
    teacher = fit_teacher(known, known.x, split_tail(known.t0, known.t1, EMBARGO), XGBoost, RECIPE)
    low, high = (teacher.model.predict(known.x[:20], offset) for offset in (-0.5, 0.5))
    assert np.log(high / (1 - high)) - np.log(low / (1 - low)) == pytest.approx(np.ones(20), abs=1e-5)


def test_what_is_planted_is_found() -> None:
    """The feature that carries the signal has most of the gain."""
    known = sample(400)
    teacher = fit_teacher(known, known.x, split_tail(known.t0, known.t1, EMBARGO), XGBoost, RECIPE)
    name, share, rank = teacher.model.importance(("signal", "a", "b", "c"))[0]
    assert (name, rank) == ("signal", 1) and share > 0.5
