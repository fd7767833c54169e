"""Parse models of unknown origin in a child process first: XGBoost can crash or hang on a damaged file."""

import atexit
import json
import os
import struct
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from threading import Lock, Timer
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.contract.child_process import safe_environment
from schemas.contract.errors import DataError

if TYPE_CHECKING:  # only the child loads XGBoost
    import xgboost as xgb

START_S, DEADLINE_S = 60.0, 20.0
# Time that a command spends on damaged models of one release.
PATIENCE_S = 60.0
# Address space of the child: XGBoost for the CPU and NumPy map 0.6 GiB (measured), a model takes a few MiB; an XGBoost
# with CUDA maps more (not measured).
LARGEST_CHILD_BYTES = 4 << 30
MOST_FEATURES = 10_000
ROWS = 256

CHILD = "from workers.models.apart import _serve; _serve()"
LENGTH = struct.Struct("<Q")
# The child's first answer, and that to each readable model; another line is the reason why one is not.
GOOD = b"\n"
LONGEST_REASON = 200


class ModelTrial:
    """A child process that reads models before this process does; started once, and again after a model has ended it.

    After `patience_s` in all, spent on models that ended the child, every further model is refused.
    """

    def __init__(self, patience_s: float = float("inf")) -> None:
        self._patience_s, self._spent_s = patience_s, 0.0
        self._child: subprocess.Popen[bytes] | None = None
        self._parent = os.getpid()
        self._lock = Lock()

    def refuse_unreadable(self, content: bytes, name: str) -> None:
        """DataError unless the child can read `content` as XGBoost's trees and predict with them.

        A crash, a hang and unlimited memory end the child, not this process. `name` is the file's, for the message.
        """
        with self._lock:
            if self._spent_s >= self._patience_s:
                raise DataError(f"{name} was not read: damaged models before it took {self._spent_s:.0f} s")
            child, began = self._running(), time.monotonic()
            answer = _asked(child, LENGTH.pack(len(content)) + content, DEADLINE_S)
            if answer == GOOD:
                return
            reason = answer.decode(errors="replace").strip()
            if not reason:
                waited_s, how = time.monotonic() - began, self._end()
                self._spent_s += time.monotonic() - began
                late = waited_s >= DEADLINE_S
                reason = (
                    f"it was not read within {DEADLINE_S:g} s" if late else f"a process that read it ended with {how}"
                )
        raise DataError(f"{name} is damaged: {reason}; take another copy")

    def close(self) -> None:
        """End the child. A process that ends without this call ends its child as well."""
        if self._child is not None:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._parent != os.getpid():  # after a fork the child is the other process's
            self._parent = os.getpid()
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", CHILD],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=safe_environment(),
            )  # fmt: skip
            if _asked(self._child, b"", START_S) != GOOD:
                raise DataError(f"the process that reads models ended with {self._end()} before it read one")
        return self._child

    def _end(self) -> str:
        """End the child; returns how it ended."""
        child, self._child = self._child, None
        assert child is not None
        with suppress(OSError), child:  # closes its pipes, which ends it, and waits
            pass
        return f"signal {-child.returncode}" if child.returncode < 0 else f"exit code {child.returncode}"


@cache
def shared_trial() -> ModelTrial:
    """The child for callers that read one model at a time; it ends with this process."""
    trial = ModelTrial()
    atexit.register(trial.close)
    return trial


def _asked(child: subprocess.Popen[bytes], question: bytes, deadline_s: float) -> bytes:
    """The child's answer, one line; empty if it ended, or was ended at the deadline."""
    assert child.stdin is not None
    assert child.stdout is not None
    timer = Timer(deadline_s, child.kill)
    timer.start()
    try:
        with suppress(BrokenPipeError):
            child.stdin.write(question)
            child.stdin.flush()
        return child.stdout.readline()
    finally:
        timer.cancel()


def _serve() -> None:
    """Read models from stdin, predict random rows with each, and write a line per model: the reason, or nothing."""
    with suppress(ImportError):  # Windows has no limits
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(ValueError, OSError):  # macOS refuses this one
            resource.setrlimit(resource.RLIMIT_AS, (LARGEST_CHILD_BYTES, LARGEST_CHILD_BYTES))
    from workers.models.xgboost import decode

    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what XGBoost prints is no answer
    answers.write(GOOD)
    while head := sys.stdin.buffer.read(LENGTH.size):
        content = sys.stdin.buffer.read(LENGTH.unpack(head)[0])
        try:
            booster = decode(content)
            refuse_other_structure(json.loads(booster.save_raw("json"))["learner"])
            _refuse_other_predictions(booster)
        except (ValueError, LookupError, TypeError) as error:  # of XGBoost, or of what is missing in its JSON
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            answers.write(reason[:LONGEST_REASON].encode() + GOOD)
        else:
            answers.write(GOOD)


def refuse_other_structure(learner: dict[str, Any]) -> None:
    """ValueError unless each tree is one: a row that no trial has seen could leave it, or never come to its end."""
    features, booster = int(learner["learner_model_param"]["num_feature"]), learner["gradient_booster"]
    if booster["name"] != "gbtree" or not 0 < features <= MOST_FEATURES:
        raise ValueError(f"a {booster['name']} of {features} features")
    for tree in booster["model"]["trees"]:
        left, right, split = (np.array(tree[name]) for name in ("left_children", "right_children", "split_indices"))
        inner = left != -1
        children = np.concatenate([left[inner], right[inner]])
        if tree["categories_nodes"] or len(set(children.tolist())) != len(children):
            raise ValueError("a node with two parents, or a split by category")
        if np.any((children <= 0) | (children >= len(left))) or np.any((split < 0) | (split >= features)):
            raise ValueError("a node or a feature that does not exist")
        if not np.all(np.isfinite(np.array(tree["split_conditions"], dtype=np.float64))):
            raise ValueError("a leaf or a threshold that is not finite")


def _refuse_other_predictions(booster: "xgb.Booster") -> None:
    """ValueError unless it predicts one finite number per row."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, booster.num_features()))
    x[rng.random(x.shape) < 0.1] = np.nan
    found = booster.inplace_predict(x, predict_type="margin", validate_features=False)
    if found.shape != (ROWS,) or not np.all(np.isfinite(found)):
        raise ValueError("predictions that are not one finite number per row")
