"""Parsers of models of unknown origin: what a child process accepts must not harm the process that uses it.

A library may crash or hang on a damaged file, which ends the child by design. So here only what comes after counts.
"""

import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import numpy as np

from schemas.config.model_kinds import ModelRole
from schemas.contract.errors import DataError
from tests.fuzz.mutation import Mutate, change_bytes, change_json
from tests.fuzz.parser import Parser
from tests.strategies import recipe
from workers.models.apart import LARGEST_CHILD_BYTES, LENGTH
from workers.models.base import Fit, Table
from workers.models.registry import MODEL_TYPES
from workers.models.stored_student import as_teacher_sees

FEATURES, ROWS, LIMIT_S = 4, 60, 1


def _refuse_unreadable(kind: str, content: bytes) -> None:
    """As `ModelTrial`, but the child is a fork of a process that has loaded the library: no crash costs a new start."""
    parent = _forking()
    assert parent.stdin is not None and parent.stdout is not None
    try:
        parent.stdin.write(LENGTH.pack(len(content)) + f"{kind}\n".encode() + content)
        parent.stdin.flush()
        answer = parent.stdout.read(1)
    except BaseException:  # what is left in the pipes would answer the next question
        parent.kill()
        _forking.cache_clear()
        raise
    if answer != b"+":
        raise DataError("refused, or it ended the child")


@cache
def _forking() -> subprocess.Popen[bytes]:
    """The process that forks, which ends with this one."""
    command = [sys.executable, "-c", "from tests.fuzz.models import fork_for_each; fork_for_each()"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def fork_for_each() -> None:
    """Read each model of stdin in a fork of this process; write + for one that is not refused and harms nothing."""
    import lightgbm  # noqa: F401
    import xgboost  # noqa: F401

    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no answer
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while head := sys.stdin.buffer.read(LENGTH.size):
        kind = sys.stdin.buffer.readline().decode().strip()
        content = sys.stdin.buffer.read(LENGTH.unpack(head)[0])
        if not (child := os.fork()):
            resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
            signal.alarm(10 * LIMIT_S)
            resource.setrlimit(resource.RLIMIT_AS, (LARGEST_CHILD_BYTES, LARGEST_CHILD_BYTES))
            with suppress(Exception):
                MODEL_TYPES[kind].refuse_harmful(content)
                os._exit(0)
            os._exit(1)
        answers.write(b"-" if os.waitpid(child, 0)[1] else b"+")


def _model(kind: str, content: bytes, folder: Path) -> None:
    """As a release's model is read: in a child first, then here, where it predicts other rows."""
    model_type = MODEL_TYPES[kind]
    if model_type.is_fragile:
        _refuse_unreadable(kind, content)
    model, features = model_type.decode(content)
    x = np.random.default_rng(7).normal(size=(32, max(len(features), FEATURES)))
    x[::3, 0], x[1::5] = np.nan, 1e300
    with np.errstate(all="ignore"):
        model.scaled(0.5).margin(as_teacher_sees(x[:, : len(features) or FEATURES]))


def _good(kind: str, role: ModelRole) -> list[bytes]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(ROWS, FEATURES))
    soft = (x[:, 0] + rng.normal(size=ROWS) > 0).astype(np.float64)
    fit = Fit(soft, np.ones(ROWS), np.zeros(ROWS))
    (model,) = MODEL_TYPES[kind].fit_many(Table(x), [fit], recipe(kind, role))
    return [model.encode([f"feature{number}" for number in range(FEATURES)])]


def _parser(kind: str, role: ModelRole = "student", mutate: Mutate = change_bytes) -> Parser:
    return Parser(partial(_model, kind), partial(_good, kind, role), mutate, (DataError, ValueError))


PARSERS = {
    "logistic": _parser("logistic", mutate=change_json),
    "booster": _parser("booster"),
    "xgboost": _parser("xgboost", "teacher"),
    "lightgbm": _parser("lightgbm"),
    "forest": _parser("random-forest", mutate=change_json),
    "boosting": _parser("hist-boosting", mutate=change_json),
}
