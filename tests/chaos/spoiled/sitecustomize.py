"""Loaded by every Python process of a fleet under test; CHAOS_FAULT names a window to fail in its pool children.

CHAOS_FAULT is KIND:LABEL with KIND one of exit, hang, memory.
"""

import os
import sys


def _spoil(kind: str, label: str) -> None:
    import time
    from typing import Any

    from schemas.contract.task import Role
    from workers.handlers.execute import HANDLERS

    whole = HANDLERS[Role.TEACHER]

    def teach(task: Any) -> Any:
        if task.window.label != label:
            return whole(task)
        if kind == "exit":
            os._exit(9)
        if kind == "memory":
            raise MemoryError("as if there were none left")
        while True:
            time.sleep(60)

    HANDLERS[Role.TEACHER] = teach


if "CHAOS_FAULT" in os.environ and any("spawn_main" in word for word in sys.orig_argv):
    from celery.signals import worker_process_init

    @worker_process_init.connect(weak=False)  # type: ignore[untyped-decorator]
    def _install(**_: object) -> None:
        _spoil(*os.environ["CHAOS_FAULT"].split(":", 1))
