"""A run's name belongs to one run at a time on its broker, and by it the run is cancelled from anywhere."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest
from redis import Redis

from orchestrator.ledger import run_name
from orchestrator.ledger.run_name import RunName, cancel_holder, holder_of
from schemas.contract.errors import GurukulError, RequestError
from schemas.contract.run import RunStatus
from schemas.files.layout import RunLayout
from schemas.redis.keys import cancel_key, run_id_owner_key
from tests.conftest import Completed, command
from tests.waiting import wait_for

BEGUN = datetime(2026, 1, 2, tzinfo=UTC)


def name_of(redis: Redis, folder: Path) -> RunName:
    """The name `r` for a run below a folder."""
    return RunName(redis, RunLayout.under(folder, "r"), BEGUN)


def test_two_folders_cannot_use_one_id_at_once(redis: Redis, tmp_path: Path) -> None:
    """The second is refused with the holder's name; the first may take the id again, and releases it."""
    first, second = (name_of(redis, tmp_path / name) for name in ("a", "b"))
    assert not first.hold() and not first.hold()
    assert 0 < redis.pttl(run_id_owner_key("r")) <= 15_000
    with pytest.raises(RequestError, match=f"in use on this broker by .*{tmp_path}/a/models/r"):
        second.hold()
    first.release(RunStatus.READY)
    second.hold()


def test_two_machines_of_one_name_and_path_cannot_use_one_id(
    redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second container is refused, although its host name and its folder's path are the same."""
    name_of(redis, tmp_path).hold()
    monkeypatch.setattr(run_name, "this_machine", lambda: "another")
    with pytest.raises(RequestError, match="in use on this broker"):
        name_of(redis, tmp_path).hold()


def asking(redis: Redis, within_s: float = 10.0) -> tuple[list[object], Callable[[], None]]:
    """A cancellation in a thread: its answer or error, and what waits for it."""
    ends: list[object] = []

    def ask() -> None:
        try:
            ends.append(cancel_holder(redis, "r", within_s))
        except GurukulError as error:
            ends.append(error)

    thread = Thread(target=ask)
    thread.start()
    return ends, thread.join


@pytest.mark.parametrize("status", [RunStatus.CANCELLED, RunStatus.READY, RunStatus.FAILED])
def test_the_run_answers_how_it_ended(redis: Redis, tmp_path: Path, status: RunStatus) -> None:
    """Also if it had ended before it read the question. A broker that loses all in between is asked again."""
    name = name_of(redis, tmp_path)
    name.hold()
    ends, join = asking(redis)
    wait_for(name.hold, "the wish")
    redis.flushall()
    name.hold()
    wait_for(name.hold, "the wish again")
    name.release(status)
    join()
    assert ends == [status] and not redis.exists(run_id_owner_key("r"))
    assert 0 < redis.ttl(cancel_key("r")) <= 60
    assert not name.hold() and not name.hold()  # a run that is resumed at once is not cancelled again


def test_what_no_process_holds_is_not_asked(redis: Redis, tmp_path: Path) -> None:
    """No key is left; so it is with a run that ends between two commands of the question."""
    assert cancel_holder(redis, "r", 10.0) is None
    name_of(redis, tmp_path).release(RunStatus.READY)
    assert redis.keys() == []


def test_a_run_that_dies_or_hangs_is_named(redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that expires was not released; a run that keeps it and does not stop hangs. No wish is left behind."""
    monkeypatch.setattr(run_name, "GONE_S", 0.3)
    name = name_of(redis, tmp_path)
    name.hold()
    ends, join = asking(redis)
    wait_for(name.hold, "the wish")
    redis.delete(run_id_owner_key("r"))
    join()
    assert "did not confirm; its process has ended" in str(ends[0]) and redis.keys() == []
    name.hold()
    ends, join = asking(redis, within_s=0.3)
    join()
    assert "did not confirm; it may hang" in str(ends[0]) and not redis.exists(cancel_key("r"))


def test_without_its_folder_a_run_that_nothing_runs_is_refused(redis: Redis, server: str, tmp_path: Path) -> None:
    """Exit code 2 with the broker; without one, the folder is missing. Junk in place of a name is passed over."""
    redis.set(run_id_owner_key("r"), "junk")
    assert holder_of(redis, "r") is None
    result = command("cancel", "r", "--broker", server, cwd=tmp_path)
    assert (result.returncode, "no process runs a run r on redis://127.0.0.1" in result.stderr) == (2, True)
    result = command("cancel", "r", cwd=tmp_path)
    assert (result.returncode, "there is no run r" in result.stderr) == (2, True)


def test_a_run_on_the_broker_comes_before_one_here_whose_id_contains_its_own(
    redis: Redis, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cancel r` cancels the run r elsewhere, not the run r_old that is stored here."""
    (tmp_path / "data/models/r_old").mkdir(parents=True)
    (tmp_path / "data/models/r_old/run.json").touch()
    name = name_of(redis, tmp_path)
    monkeypatch.setattr(name, "_own", name._own.model_copy(update={"machine": "another", "host": "alpha"}))
    name.hold()
    did: list[Completed] = []
    thread = Thread(target=lambda: did.append(command("cancel", "r", "--broker", server, cwd=tmp_path)))
    thread.start()
    wait_for(name.hold, "the wish")
    name.release(RunStatus.CANCELLED)
    thread.join()
    resume = f"orchestrator resume r --data-dir {tmp_path}"
    assert did[0].stdout == f"run r is cancelled; to continue on alpha: {resume}\n", did[0].stderr
