"""Parse models of unknown origin in a child process first: a library can crash or hang on a damaged file."""

import atexit
import os
import struct
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from threading import Lock, Timer

from schemas.contract.child_process import safe_environment
from schemas.contract.errors import DataError

START_S, DEADLINE_S = 60.0, 20.0
# Time that a command spends on damaged models of one release.
PATIENCE_S = 60.0
# Address space of the child: XGBoost for the CPU and NumPy map 0.6 GiB (measured), a model takes a few MiB; an XGBoost
# with CUDA maps more (not measured).
LARGEST_CHILD_BYTES = 4 << 30

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

    def refuse_unreadable(self, content: bytes, name: str, kind: str) -> None:
        """DataError unless the child can read `content` as a model of a kind and predict with it.

        A crash, a hang and unlimited memory end the child, not this process. `name` is the file's, for the message.
        """
        with self._lock:
            if self._spent_s >= self._patience_s:
                raise DataError(f"{name} was not read: damaged models before it took {self._spent_s:.0f} s")
            child, began = self._running(), time.monotonic()
            answer = _asked(child, LENGTH.pack(len(content)) + f"{kind}\n".encode() + content, DEADLINE_S)
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
def shared_trial(plugins: tuple[str, ...]) -> ModelTrial:
    """The child for callers that read one model at a time, with these plug-ins; it ends with this process."""
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
    from workers.models.registry import type_of

    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no answer
    answers.write(GOOD)
    while head := sys.stdin.buffer.read(LENGTH.size):
        kind = sys.stdin.buffer.readline().decode().strip()
        content = sys.stdin.buffer.read(LENGTH.unpack(head)[0])
        try:
            type_of(kind).refuse_harmful(content)
        except (ValueError, LookupError, TypeError) as error:  # of a library, or of what is missing in its file
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            answers.write(reason[:LONGEST_REASON].encode() + GOOD)
        else:
            answers.write(GOOD)
