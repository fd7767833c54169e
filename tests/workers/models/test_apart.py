"""Damaged, huge and foreign models: none of them ends the process that reads them."""

import gzip
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from schemas.contract.errors import DataError, FileError
from schemas.contract.task import FailureClass
from schemas.files.bounded import MIB, read_bounded, unpack_bounded
from workers.features.registry import feature_names
from workers.handlers.execute import classify
from workers.models import apart
from workers.models.registry import MODEL_TYPES
from workers.models.stored_student import read_student
from workers.serving.students import probabilities, read_served

ROWS = np.random.default_rng(0).normal(size=(80, len(feature_names())))


@pytest.fixture(scope="module")
def booster() -> bytes:
    """The file of a booster student."""
    labels = np.random.default_rng(1).uniform(size=80)
    return MODEL_TYPES["booster"].fit(ROWS, labels, np.ones(80), 0).encode(feature_names(), 0.25)


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


def test_a_model_that_no_one_vouches_for_is_read_by_a_child_first(booster: bytes) -> None:
    """A whole model passes; a truncated one and one that is none are DataErrors of class data, without a retry."""
    apart.refuse_unreadable(booster, "model.ubj")
    for damaged in (booster[: len(booster) // 2], b"{L"):
        with pytest.raises(DataError, match=r"model.ubj is damaged: a process that read it ended with") as caught:
            apart.refuse_unreadable(damaged, "model.ubj")
        assert classify(caught.value) is FailureClass.DATA


@pytest.mark.parametrize(
    ("child", "message"),
    [
        ("import os; os.abort()", "ended with signal 6"),
        ("while True: pass", "was not read within 1 s"),
        ("raise MemoryError", "ended with exit code 1"),
    ],
)
def test_a_crash_a_hang_and_full_memory_end_the_child_alone(
    child: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a DataError in the process that asked."""
    monkeypatch.setattr(apart, "CHILD", child)
    monkeypatch.setattr(apart, "DEADLINE_S", 1.0)
    with pytest.raises(DataError, match=message):
        apart.refuse_unreadable(b"", "model.ubj")


def test_a_file_that_unpacks_to_more_than_its_cap_is_refused_at_the_cap(tmp_path: Path) -> None:
    """Reading stops there: the rest is never in memory. A damaged archive and a large file are errors too."""
    packed = gzip.compress(bytes(8 * MIB))
    assert len(packed) < MIB
    with pytest.raises(FileError, match="unpacks to more than 1 MiB"):
        unpack_bounded(packed, MIB, tmp_path)
    with pytest.raises(FileError, match="is damaged"):
        unpack_bounded(packed[:-20], 9 * MIB, tmp_path)
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
    """Its inputs and trade threshold come from its own file; its predictions are those of the trained model."""
    (tmp_path / "model.ubj").write_bytes(booster)
    stored = read_served(tmp_path, {"model.ubj": sha256(booster).hexdigest()})
    assert (stored.features, stored.trade_above) == (feature_names(), 0.25)
    found = probabilities([stored] * len(ROWS), ROWS)
    assert found == pytest.approx(1.0 / (1.0 + np.exp(-stored.model.margin(ROWS))))
