"""What every kind of model holds, as a teacher and as a student: equal bits again, its file, its offset, its reader."""

from collections.abc import Iterator
from contextlib import closing
from functools import cache
from typing import Any

import numpy as np
import pytest

from schemas.config.model_kinds import ModelRole
from schemas.config.target import VALUE
from schemas.contract.errors import DataError
from tests.strategies import recipe
from tests.workers.models.kinds import kinds
from workers.models.apart import ModelTrial
from workers.models.base import Model, Recipe, Rows
from workers.models.registry import MODEL_TYPES

# Kinds of scikit-learn that take long, and what is enough of each.
SLOW = {"random-forest": {"trees": 30}, "extra-trees": {"trees": 30}, "hist-boosting": {"max_bin": 16}}
NAMES = tuple(f"feature_{number}" for number in range(6))
EVERY = pytest.mark.parametrize(("kind", "role"), kinds("teacher", "student"))


def rows(count: int = 400, seed: int = 0) -> Rows:
    """Rows whose first input carries a signal beside an offset; a tenth of the inputs is missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, len(NAMES))).astype(np.float32)
    offset = np.where(np.arange(count) % 2, -1.0, 0.5)
    y = rng.random(count) < 1.0 / (1.0 + np.exp(-offset - 1.5 * x[:, 0]))
    x[rng.random(x.shape) < 0.1] = np.nan
    return Rows(x, y.astype(np.float64), rng.uniform(0.1, 0.3, count), offset)


def quick(kind: str, role: ModelRole, **changes: Any) -> Recipe:
    """A recipe of the kind whose fit does not take long."""
    return recipe(kind, role, seed=3, **(SLOW.get(kind, {}) | changes))


@cache
def fitted(kind: str, role: ModelRole) -> Model:
    """A model of the kind, fitted on those rows."""
    return MODEL_TYPES[kind].fit(*rows(), quick(kind, role))


@EVERY
def test_a_second_fit_has_the_same_bytes(kind: str, role: ModelRole) -> None:
    """Equal rows, parameters and seed give equal files, so that an artifact has the same digest on every host."""
    again = MODEL_TYPES[kind].fit(*rows(), quick(kind, role))
    assert again.encode(NAMES) == fitted(kind, role).encode(NAMES)


# Forests and boosting of scikit-learn fit ten models each here; the others show the rule in `make check`.
@pytest.mark.parametrize(("kind", "role"), kinds("teacher", "student", slow=SLOW))
def test_every_parameter_changes_the_model(kind: str, role: ModelRole) -> None:
    """None is read and forgotten: another value of each gives another model, of a fixed size or stopped on a tail."""
    tail = rows(80, seed=4)

    def margins(**changes: Any) -> tuple[bytes, ...]:
        how, model_type = quick(kind, role, **changes), MODEL_TYPES[kind]
        models = [model_type.fit(*rows(), how)]
        if role == "teacher":
            models.append(model_type.fit_stopped(rows(), tail, how).model)
        return tuple(model.margin(tail.x).tobytes() for model in models)

    defaults = margins()
    for name, value in quick(kind, role).parameters.model_dump().items():
        assert margins(**{name: other_value(name, value)}) != defaults, name


def other_value(name: str, value: float) -> float:
    """A value that changes what is fitted: a larger least size, else a smaller number."""
    if name.startswith("min_"):
        return value * 10
    if name in ("early_stopping_rounds", "max_depth", "max_rounds", "max_features"):
        return 1
    return max(2, value // 8) if isinstance(value, int) else value / 2


@EVERY
def test_a_model_survives_its_file(kind: str, role: ModelRole) -> None:
    """Read back and scaled, it gives the same bits; only XGBoost's teacher leaves its names to the metadata."""
    model, names = MODEL_TYPES[kind].decode(fitted(kind, role).encode(NAMES))
    x = rows(50, seed=1).x
    assert model.scaled(0.7).margin(x).tobytes() == fitted(kind, role).scaled(0.7).margin(x).tobytes()
    assert names == (() if kind == "xgboost" else NAMES)


@EVERY
def test_a_signal_is_found_beside_the_offset(kind: str, role: ModelRole) -> None:
    """Margins follow the planted input and not the offset: both groups of rows have the same mean margin."""
    other = rows(2_000, seed=2)
    margin = fitted(kind, role).margin(other.x)
    known = np.isfinite(other.x[:, 0])
    assert np.corrcoef(margin[known], other.x[known, 0])[0, 1] > 0.7
    low, high = (margin[other.offset == offset].mean() for offset in (-1.0, 0.5))
    assert abs(low - high) < 0.2
    assert abs(margin.mean()) < 0.4


@pytest.mark.parametrize("kind", kinds("teacher"))
def test_a_teacher_is_stopped_on_its_tail_and_names_its_features(kind: str) -> None:
    """Its margins are the same again, its parameters are recorded, and the planted input leads where gains exist."""
    fit, tail = rows(), rows(80, seed=4)
    one, other = (MODEL_TYPES[kind].fit_stopped(fit, tail, quick(kind, "teacher")) for _ in range(2))
    assert one.model.encode(NAMES) == other.model.encode(NAMES)
    assert one.rounds == one.model.rounds >= 1
    assert one.parameters and one.parameters == other.parameters
    ranked = one.model.importance(NAMES)
    assert not ranked or (ranked[0][0] == NAMES[0] and len(ranked) == len(NAMES))


@pytest.fixture(scope="module")
def trial() -> Iterator[ModelTrial]:
    """One child for all kinds."""
    with closing(ModelTrial()) as trial:
        yield trial


@EVERY
def test_a_damaged_file_is_refused_apart(kind: str, role: ModelRole, trial: ModelTrial) -> None:
    """A whole file passes its trial; one that lacks its end, is empty or of another kind is a DataError."""
    model_type = MODEL_TYPES[kind]
    if not model_type.is_fragile:
        return
    content = fitted(kind, role).encode(NAMES)
    trial.refuse_unreadable(content, "model", kind)
    for damaged in (content[: len(content) // 2], b"", b"{}"):
        with pytest.raises(DataError, match="is damaged"):
            trial.refuse_unreadable(damaged, "model", kind)


def values(count: int = 400, seed: int = 0, unit: float = 1.0) -> Rows:
    """Rows of a value that follows the first input beside an offset, in a unit."""
    known = rows(count, seed)
    noise = np.random.default_rng([seed, 1]).normal(size=count)
    return known._replace(soft=unit * (known.offset + np.nan_to_num(known.x[:, 0]) + noise), offset=unit * known.offset)


@pytest.mark.parametrize(("kind", "role"), kinds("teacher", "student", target=VALUE))
def test_a_value_is_found_beside_the_offset_in_any_unit(kind: str, role: ModelRole) -> None:
    """Margins follow the planted input, survive the file, and are 0.02 times as large where labels are."""
    model_type, other = MODEL_TYPES[kind], rows(1_000, seed=2)
    one, small = (model_type.fit(*values(unit=unit), quick(kind, role, target=VALUE)) for unit in (1.0, 0.02))
    margin = one.margin(other.x)
    known = np.isfinite(other.x[:, 0])
    assert np.corrcoef(margin[known], other.x[known, 0])[0, 1] > 0.8
    assert abs(margin.mean()) < 0.15
    assert one.predict(other.x, 0.3, VALUE) == pytest.approx(margin + 0.3, abs=1e-5)
    assert np.corrcoef(small.margin(other.x), margin)[0, 1] > 0.98
    assert small.margin(other.x).std() == pytest.approx(0.02 * margin.std(), rel=0.1)
    read, _ = model_type.decode(one.scaled(0.7).encode(NAMES))
    assert kind == "xgboost" or read.margin(other.x).tobytes() == one.scaled(0.7).margin(other.x).tobytes()
    if role == "teacher":
        stopped = model_type.fit_stopped(values(), values(80, seed=4), quick(kind, role, target=VALUE))
        assert stopped.rounds == stopped.model.rounds >= 1
