"""A pool child's note of the code of a plug-in that it runs: its worker reads it when the child dies or takes long."""

import faulthandler
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from workers.plugins.own_lines import is_own_line

# A call that takes so long is noted with what it has reached, again after twice the time.
SAMPLED_S = 1.0
LONGEST_PLACE = 500

# Of what faulthandler writes: the line above a thread's frames, and a frame. The innermost one comes first.
THREAD = re.compile(r"^.*\(most recent call first\):$", re.MULTILINE)
FRAME = re.compile(r'^  File "(.+)", line (\d+) in ', re.MULTILINE)


class CallNote:
    """A file of this process: path of a plug-in, a tab and what is called; below it the stack, where one is known.

    It is empty while no code of a plug-in runs. A signal that ends the process, and `os._exit`, add the stack.
    """

    def __init__(self, path: Path) -> None:
        # Appended to, so that a stack follows the first line; not buffered, so that the end of the process loses none.
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()
        self._call = b""
        self._count = 0
        faulthandler.enable(self._file)
        threading.Thread(target=self._sample, daemon=True).start()

    def begin(self, call: str) -> None:
        """Note the begin of a call."""
        with self._lock:
            self._call, self._count = call.encode() + b"\n", self._count + 1
            self._write()

    def end(self) -> None:
        """Note that it has ended."""
        with self._lock:
            self._call = b""
            self._write()

    def add_stack(self) -> None:
        """Add what each thread runs now."""
        faulthandler.dump_traceback(self._file)

    def _write(self) -> None:
        os.ftruncate(self._file.fileno(), 0)
        os.write(self._file.fileno(), self._call)

    def _sample(self) -> None:
        seen, passed, due = 0, 0, 1
        while True:
            time.sleep(SAMPLED_S)
            with self._lock:
                if self._count != seen:
                    seen, passed, due = self._count, 0, 1
                    continue
                passed += 1
                if self._call and passed == due:
                    self.add_stack()
                    due *= 2


_note: CallNote | None = None


def keep_note() -> None:
    """In a pool child: note calls of plug-ins from now on."""
    global _note
    note = _note = CallNote(_path(os.getpid()))
    leave = os._exit

    def noted_exit(status: int) -> NoReturn:
        note.add_stack()
        leave(status)

    os._exit = noted_exit


@contextmanager
def noted(path: str, what: str) -> Iterator[None]:
    """Inside, the note of this process, if it keeps one, names the call `what` of the plug-in `path`."""
    if _note is None:
        yield
        return
    _note.begin(f"{path}\t{what}")
    try:
        yield
    finally:
        _note.end()


def noted_call(pid: int) -> str:
    """Which code of a plug-in a pool child of this worker runs, or died in: file, line and call.

    The line is missing where the call was short or kept Python's lock. Empty if there is none.
    """
    try:
        call, _, stacks = _path(pid).read_text(errors="replace").partition("\n")
    except OSError:
        return ""
    path, _, what = call.partition("\t")
    if not what:
        return ""
    frames = (frame for stack in reversed(THREAD.split(stacks)) for frame in FRAME.findall(stack))
    lines = (f"{name} line {line}" for name, line in frames if is_own_line(path, name))
    return f"{next(lines, path)} ({what})"[:LONGEST_PLACE]


def _path(pid: int) -> Path:
    # The supervisor gives its workers and their children one temporary folder, and removes it.
    return Path(tempfile.gettempdir()) / f"call-{pid}"
