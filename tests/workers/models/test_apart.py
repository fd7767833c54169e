"""Damaged, huge and foreign models: none of them ends the process that reads them."""

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from schemas.contract.errors import DataError, FileError
from schemas.contract.task import FailureClass
from schemas.files.bounded import MIB, Unpacked, read_bounded
from schemas.files.run_files import write_model
from tests.strategies import QUICK, recipe, serving
from workers.artifacts.writer import digests
from workers.features.registry import feature_names
from workers.handlers.report import classify
from workers.models import apart, xgboost
from workers.models.apart import ModelTrial
from workers.models.registry import MODEL_TYPES
from workers.models.stored_student import read_student
from workers.serving.students import predictions_of, read_served

ROWS = np.random.default_rng(0).normal(size=(80, len(feature_names())))


@pytest.fixture(scope="module")
def booster() -> bytes:
    """The file of a booster student."""
    labels = np.random.default_rng(1).uniform(size=80)
    return (
        MODEL_TYPES["booster"].fit(ROWS, labels, np.ones(80), np.zeros(80), recipe("booster")).encode(feature_names())
    )


def test_two_hundred_mutated_models_are_refused_by_their_digest(booster: bytes, tmp_path: Path) -> None:
    """A changed file is not parsed at all, so it can neither crash nor hang this process."""
    rng = np.random.default_rng(2)
    digests = {"model.ubj": sha256(booster).hexdigest()}
    for _ in range(200):
        mutated = bytearray(booster)
        mutated[rng.integers(len(mutated))] ^= int(rng.integers(1, 256))
        (tmp_path / "model.ubj").write_bytes(mutated)
        with pytest.raises(DataError, match="is not what was recorded"):
            read_student(tmp_path, digests)


@pytest.fixture(scope="module")
def trial() -> Iterator[ModelTrial]:
    """One child for the models of these tests."""
    with closing(ModelTrial()) as trial:
        yield trial


def test_one_child_reads_many_models_of_unknown_origin(
    booster: bytes, trial: ModelTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole models pass; damaged ones are DataErrors of class data; only one that crashed the child costs a new one."""
    monkeypatch.setattr(apart, "DEADLINE_S", 3.0)  # one of them makes XGBoost compute for ever
    rng, refused = np.random.default_rng(2), []
    for place in range(4 if QUICK else 10):
        mutated = bytearray(booster)
        mutated[rng.integers(len(mutated))] ^= int(rng.integers(1, 256))
        try:
            trial.refuse_unreadable(bytes(mutated), f"{place}/model.ubj", "booster")
        except DataError as error:
            assert classify(error) is FailureClass.DATA
            refused.append(str(error))
        trial.refuse_unreadable(booster, "model.ubj", "booster")
    assert len(refused) > (1 if QUICK else 5)
    for damaged in (booster[: len(booster) // 2], b"{L", b""):
        with pytest.raises(DataError, match=r"model.ubj is damaged: .*; take another copy"):
            trial.refuse_unreadable(damaged, "model.ubj", "booster")


CHILD = "import sys; sys.stdout.write('\\n'); sys.stdout.flush(); sys.stdin.buffer.read(8); "


@pytest.mark.parametrize(
    ("child", "message"),
    [
        (CHILD + "import os; os.abort()", "a process that read it ended with signal 6"),
        (CHILD + "sys.stdin.read()", "was not read within 0.5 s"),
        (CHILD + "raise MemoryError", "a process that read it ended with exit code 1"),
        ("raise ImportError", "ended with exit code 1 before it read one"),
    ],
)
def test_a_crash_a_hang_and_full_memory_end_the_child_alone(
    child: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a DataError in the process that asked, and after its patience no further model is read."""
    monkeypatch.setattr(apart, "CHILD", child)
    monkeypatch.setattr(apart, "DEADLINE_S", 0.5)
    trial = ModelTrial(patience_s=0.0001)
    with pytest.raises(DataError, match=message):
        trial.refuse_unreadable(b"", "model.ubj", "booster")
    if "before" not in message:
        with pytest.raises(DataError, match=r"other/model.ubj was not read: damaged models before it took"):
            trial.refuse_unreadable(b"", "other/model.ubj", "booster")


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("left_children", {0: 10_000}, "does not exist"),
        ("right_children", {0: -7}, "does not exist"),
        ("left_children", {0: 2}, "two parents"),
        ("left_children", {0: 0}, "does not exist"),
        ("split_indices", {0: 10_000}, "does not exist"),
        ("categories_nodes", {0: 0}, "by category"),
        ("split_conditions", {-1: float("nan")}, "not finite"),
    ],
)
def test_a_tree_that_rows_could_leave_is_none(booster: bytes, name: str, values: dict[int, float], reason: str) -> None:
    """A reference out of the tree or back into it is found without a row that follows it."""
    learner = json.loads(xgboost.read_trees(booster).save_raw("json"))["learner"]
    xgboost.refuse_other_structure(learner)
    column = learner["gradient_booster"]["model"]["trees"][3][name]
    for place, value in values.items():
        column[place:place] = [] if column else [0]
        column[place] = value
    with pytest.raises(ValueError, match=reason):
        xgboost.refuse_other_structure(learner)


def test_a_file_that_unpacks_to_more_than_its_cap_is_refused_at_the_cap(tmp_path: Path) -> None:
    """Reading stops there: the rest is never in memory. A damaged archive and a large file are errors too."""
    packed = gzip.compress(bytes(8 * MIB))
    assert len(packed) < MIB
    with pytest.raises(FileError, match="unpacks to more than 1 MiB"):
        Unpacked(packed, MIB, tmp_path).read()
    with pytest.raises(FileError, match="is damaged"):
        Unpacked(packed[:-20], 9 * MIB, tmp_path).read()
    path = tmp_path / "model.ubj"
    with path.open("wb") as file:
        file.truncate(2 * MIB)
    with pytest.raises(FileError, match="is larger than 1 MiB"):
        read_bounded(path, MIB)
    assert read_bounded(path, 2 * MIB) == bytes(2 * MIB)


def test_a_model_whose_digest_is_right_but_that_is_none_is_a_data_error(tmp_path: Path) -> None:
    """XGBoost's own error becomes one line with the next step."""
    (tmp_path / "model.ubj").write_bytes(b"{}")
    with pytest.raises(DataError, match=r"is not a model of kind booster .*; roll back"):
        read_student(tmp_path, {"model.ubj": sha256(b"{}").hexdigest()}, "roll back")


def test_a_released_booster_is_served(booster: bytes, tmp_path: Path) -> None:
    """Its inputs come from its own file; its predictions are those of the trained model beside the offset."""
    (tmp_path / "model.ubj").write_bytes(booster)
    write_model(tmp_path / "serving.json", serving("A", 0.3, 0.25))
    stored = read_served(tmp_path, digests(tmp_path), feature_names())
    assert (stored.features, stored.trade_above("A")) == (feature_names(), 0.25)
    found = predictions_of([stored] * len(ROWS), ["A"] * len(ROWS), ROWS)
    assert found == pytest.approx(1.0 / (1.0 + np.exp(-0.3 - stored.model.margin(ROWS))))
