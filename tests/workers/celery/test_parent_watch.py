"""A worker ends with its supervisor, whenever the supervisor ends."""

import subprocess
import sys

from tests.conftest import clean_environment
from workers.devices.pinning import PARENT_ENV

CHILD = "from workers.celery.parent_watch import watch_parent; watch_parent(); import time; time.sleep(60)"


def test_a_parent_that_ended_before_the_watch_began_is_noticed() -> None:
    """A process whose PARENT_ENV names a process that is gone ends at once: its own parent id shows only init."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    environment = clean_environment() | {PARENT_ENV: str(gone.pid)}
    ended = subprocess.run([sys.executable, "-c", CHILD], env=environment, timeout=30)
    assert ended.returncode == 1
