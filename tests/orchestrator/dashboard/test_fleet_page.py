"""The page Fleet: what devices do, what keeps them from work, and that it is drawn once for all browsers."""

from pathlib import Path

import pytest
from lxml import html
from redis import Redis
from starlette.testclient import TestClient

from orchestrator.dashboard.application import application
from orchestrator.dashboard.settings import Settings
from orchestrator.dashboard.stream import SharedParts
from schemas.contract.share import Share
from schemas.contract.versions import artifact_versions
from schemas.redis.keys import SHARES
from schemas.redis.presences import cordon, reserve
from schemas.redis.shares import publish_share, read_shares
from tests.orchestrator.dashboard.devices import send_heartbeats
from tests.orchestrator.dashboard.test_pages import rows_of, text_of


def test_it_names_what_devices_do_and_what_keeps_them_from_work(redis: Redis, server: str, tmp_path: Path) -> None:
    """Work that runs and waits, drains, cordons, reservations, other versions, runs, and dead letters."""
    send_heartbeats(redis)
    cordon(redis, ["gpu0@beta"])
    reserve(redis, "cpu1@alpha", "nightly")
    publish_share(redis, "nightly", Share(priority=2, wanted=17, used_s=1))
    client = TestClient(application(Settings(str(tmp_path), str(tmp_path), server)), base_url="http://127.0.0.1")
    page = html.fromstring(client.get("/fleet").text)
    rows = {row[0]: row for row in rows_of(page, "Devices that report to the broker")}
    assert rows["cpu0@alpha"][1:5] == ["running", "2", "1", "1,234"]
    assert rows["cpu0@alpha"][-1].startswith("teacher M&M_2024-01-01_to_2024-04-30 of nightly")
    assert rows["gpu0@beta 120 ms from the broker"][1] == "draining cordoned"
    assert rows["cpu1@alpha"][1] == "kept free for nightly"
    assert rows["gpu1@beta"][1] == f"other versions xgboost 1.7.6, here {artifact_versions()['xgboost']}"
    assert rows_of(page, "Runs on this fleet") == [["nightly", "2", "17"]]
    text = text_of(page)
    assert "Cordoned and not online: gpu2@beta" in text and "1 in device queues" in text
    assert "its id is not that of its work" in text


def test_a_broker_that_does_not_answer_is_a_sentence(tmp_path: Path) -> None:
    """The page is there, with what is wrong."""
    here = Settings(str(tmp_path), str(tmp_path), "redis://127.0.0.1:1/0")
    answer = TestClient(application(here), base_url="http://127.0.0.1").get("/fleet")
    assert answer.status_code == 200 and "The broker does not answer" in answer.text


def test_shares_that_are_old_or_no_shares_do_not_count(redis: Redis) -> None:
    """Also a key of another type, which the next run removes."""
    publish_share(redis, "nightly", Share(priority=1, wanted=3, used_s=0))
    redis.hset(SHARES, mapping={"old": '1 {"priority":1,"wanted":3,"used_s":0}', "odd": "no share"})
    assert list(read_shares(redis)) == ["nightly"]
    redis.set(SHARES, "x")
    assert read_shares(redis) == {}


def test_parts_are_drawn_once_for_all_open_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open pages share what was drawn at most `every_s` ago; a page that is opened is drawn anew."""
    drawn: list[float] = []
    now = [100.0]
    monkeypatch.setattr("orchestrator.dashboard.stream.time.monotonic", lambda: now[0])
    shared = SharedParts(lambda: drawn.append(now[0]) or {"a": str(len(drawn))}, every_s=2.0)  # type: ignore[func-returns-value]
    assert [shared.recent() for _ in range(3)] == [{"a": "1"}] * 3
    assert shared.fresh() == shared.recent() == {"a": "2"}
    now[0] += 2.0
    assert [shared.recent() for _ in range(3)] == [{"a": "3"}] * 3
