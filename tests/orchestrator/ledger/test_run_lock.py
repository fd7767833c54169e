"""A run's id belongs to one run at a time, on its disk and on its broker."""

import fcntl
import os
import threading
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis

from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_lock import hold_name, is_held, only_one
from schemas.contract.errors import RequestError
from schemas.files.layout import RunLayout
from schemas.redis.keys import run_id_owner_key


def test_two_folders_cannot_use_one_id_at_once(redis: Redis, tmp_path: Path) -> None:
    """The second is refused with the holder's name; the first may take the id again, and releases it."""
    first, second = (RunLayout.under(tmp_path / name, "r") for name in ("a", "b"))
    hold_name(redis, first)
    hold_name(redis, first)
    assert 0 < redis.pttl(run_id_owner_key("r")) <= 15_000
    with pytest.raises(RequestError, match=f"in use on this broker by .*{first.folder}"):
        hold_name(redis, second)
    redis.delete(run_id_owner_key("r"))
    hold_name(redis, second)


def test_a_check_stops_neither_a_run_nor_another_check(tmp_path: Path) -> None:
    """A process that checks the lock is not taken for its holder; a run that starts at that moment starts."""
    layout = RunLayout(tmp_path)
    with closing(Ledger.create(layout.ledger)) as ledger:
        looking = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert not is_held(layout)
        looked = threading.Timer(0.02, os.close, [looking])
        looked.start()
        with only_one(layout, ledger):
            assert is_held(layout)
            with pytest.raises(RequestError, match=f"is being run by process {os.getpid()}"), only_one(layout, ledger):
                pass
        looked.join()
        assert not is_held(layout)
