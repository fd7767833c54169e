"""The run's own workers on this host: one `workers start` process, which ends with the run or with this process."""

import logging
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from schemas.config.bars import LogFormat
from schemas.contract.child_process import module_command, safe_environment
from schemas.contract.errors import PhaseError
from schemas.contract.folders import Folders
from schemas.contract.plugin_source import plugins_environment
from schemas.contract.store_address import STORE_ENV
from schemas.files.log_lines import LOG_DIR_ENV, LOG_FORMAT_ENV
from schemas.redis.broker_file import BROKER_FILE_ENV
from schemas.redis.client import BROKER_ENV
from schemas.redis.signing import KEY_FILE_ENV, FleetKey

logger = logging.getLogger(__name__)

STOP_S = 15.0
RESTART_S = 1.0


class LocalWorkers:
    """A `workers start` process on `devices` for the run's folders, whose output is appended to `log`."""

    def __init__(
        self, devices: str, folders: Folders, broker: str, log: Path, log_format: LogFormat, key: FleetKey,
        plugins: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._folders, self._key, self._plugins = folders, key, plugins
        self._devices, self._broker, self._log, self._log_format = devices, broker, log, log_format
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
        self._process = self._start()
        self._ended: float | None = None

    def tend(self) -> None:
        """Restart it if a signal ended it; PhaseError if it ended by itself, because it would do so again."""
        code = self._process.poll()
        if code is None:
            return
        if code >= 0:
            raise PhaseError(f"the local workers ended with exit code {code}: {self._last_line()}; see {self._log}")
        now = time.monotonic()
        if self._ended is None:
            logger.warning("workers start was ended by signal %d; starting it again", -code)
            self._ended = now
        elif now - self._ended > RESTART_S:
            self._process, self._ended = self._start(), None

    def _last_line(self) -> str:
        """The last line that `workers start` printed beside its log."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("workers: ") if lines else "it printed no error"

    def stop(self) -> None:
        """Stop the process and its workers; kill it if that takes longer than `STOP_S`."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            logger.warning("workers did not stop in %.0f s; killing them", STOP_S)
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _start(self) -> subprocess.Popen[bytes]:
        # Settings of those names are this program's: local workers write to the run's log, in no folder of their own.
        own = (LOG_DIR_ENV, BROKER_FILE_ENV, STORE_ENV, KEY_FILE_ENV)
        paths = self._folders.sources or (self._folders.data_dir,)
        sources = [word for path in paths for word in ("--source-dir", path)]
        inherited = {name: value for name, value in safe_environment().items() if name not in own}
        with self._log.open("ab") as output:
            return subprocess.Popen(
                module_command(
                    "workers",
                    "start",
                    "--devices",
                    self._devices,
                    "--data-dir",
                    self._folders.data_dir,
                    *sources,
                    *(("--store", self._folders.store) if self._folders.store else ()),
                    "--until-stdin-closes",
                ),
                env=inherited
                | plugins_environment(self._plugins)
                | self._key.environment()
                | {BROKER_ENV: self._broker, LOG_FORMAT_ENV: self._log_format},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=self._errors,
                start_new_session=True,
            )


@contextmanager
def local_workers(
    devices: str, folders: Folders, broker: str, log: Path, log_format: LogFormat, key: FleetKey,
    plugins: Sequence[str] = (),
) -> Iterator[LocalWorkers]:  # fmt: skip
    """Start workers; stop them on the way out."""
    workers = LocalWorkers(devices, folders, broker, log, log_format, key, plugins)
    try:
        yield workers
    finally:
        workers.stop()
