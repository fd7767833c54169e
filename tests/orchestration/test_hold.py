"""A run's id belongs to one run at a time, on its disk and on its broker."""

from pathlib import Path

import pytest
from redis import Redis

from orchestrator.hold import hold_name
from schemas.errors import RequestError
from schemas.layout import RunLayout
from schemas.wire import name_key


def test_two_folders_cannot_go_by_one_id_at_once(redis: Redis, tmp_path: Path) -> None:
    """The second is refused and told who has it; the first may take it as often as it likes, and gives it back."""
    first, second = (RunLayout.under(tmp_path / name, "r") for name in ("a", "b"))
    hold_name(redis, first)
    hold_name(redis, first)
    assert 0 < redis.pttl(name_key("r")) <= 15_000
    with pytest.raises(RequestError, match=f"in use on this broker by .*{first.folder}"):
        hold_name(redis, second)
    redis.delete(name_key("r"))
    hold_name(redis, second)
