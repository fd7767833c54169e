"""Workers of this run on this host: one supervisor process, ended with the run, gone too if this process is killed."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.wire import BROKER_ENV

logger = logging.getLogger(__name__)

STOP_S = 15.0


class LocalWorkers:
    """The running `workers start`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()


@contextmanager
def local_workers(devices: str, broker: str, log: Path) -> Iterator[LocalWorkers]:
    """Start workers on `devices`; what they print goes to the end of `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers", "start", "--devices", devices, "--until-stdin-closes"],
            env=os.environ | {BROKER_ENV: broker},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield LocalWorkers(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            logger.warning("workers did not stop in %.0f s; killing them", STOP_S)
            process.kill()
            process.wait()
