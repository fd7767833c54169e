"""Loaded by every Python process of a fleet under test; the file `fault` of the lab names a window to fail.

It holds KIND:LABEL with KIND one of exit, hang, memory, bug; pool children look for it before each teacher.
"""

import os
import sys
from pathlib import Path


def _spoil(fault: Path) -> None:
    import time
    from typing import Any

    from schemas.contract.task import Role
    from workers.handlers.execute import HANDLERS

    whole = HANDLERS[Role.TEACHER]

    def teach(task: Any, data_dir: Path) -> Any:
        kind, _, label = fault.read_text().partition(":") if fault.is_file() else ("", "", "")
        if task.window.label != label:
            return whole(task, data_dir)
        if kind == "exit":
            os._exit(9)
        if kind == "memory":
            raise MemoryError("as if there were none left")
        if kind == "bug":
            raise ValueError("as if a line were wrong")
        while True:
            time.sleep(60)

    HANDLERS[Role.TEACHER] = teach


if "CHAOS_LAB" in os.environ and any("spawn_main" in word for word in sys.orig_argv):
    from celery.signals import worker_process_init

    @worker_process_init.connect(weak=False)  # type: ignore[untyped-decorator]
    def _install(**_: object) -> None:
        _spoil(Path(os.environ["CHAOS_LAB"], "fault"))
