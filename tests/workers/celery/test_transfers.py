"""A worker's transfers: what windows read comes from a store, and what they wrote goes there, beside the event loop."""

import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from threading import Event

import pytest

from schemas.contract.artifact import METADATA_KINDS
from schemas.contract.errors import StoreError
from schemas.contract.folders import Folders
from schemas.contract.task import FailureClass, Outcome, Role, Status, WindowTask, work_name
from schemas.files.atomic import sha256_of
from schemas.files.layout import METADATA, BarsLayout, RunLayout
from schemas.files.run_files import read_model, read_rows
from schemas.store.mirror import Mirror
from schemas.store.object_store import ObjectStore, open_store
from tests.conftest import Finished
from tests.orchestrator.dispatch.views import window_task
from workers.celery import transfers
from workers.celery.transfers import Transfers

BARS = b"bars"


class Host:
    """A host with a data folder of its own, and transfers that set `woken`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.woken = Event()
        folders = Folders(data_dir=str(folder / name), store=f"file://{folder}/store")
        self.mirror = Mirror(Path(folders.data_dir), ObjectStore(f"file://{folder}/store"))
        self.transfers = Transfers(folders, self.woken.set)

    def artifact(self, task: WindowTask, role: Role) -> Path:
        return RunLayout.under(self.mirror.data_dir, task.run_id).artifact(task.window.label, role)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """Two hosts with one store."""
    open_store.cache_clear()
    yield Host(tmp_path, "one"), Host(tmp_path, "two")
    open_store.cache_clear()


def student(digest: str) -> WindowTask:
    """A student's task, which reads bars of that digest and a teacher."""
    return window_task("A", 0, Role.STUDENT).model_copy(update={"bars": {"A": digest}})


def success(task: WindowTask, key: str) -> Outcome:
    """The outcome of a window that its pool child has trained."""
    return Outcome(
        run_id=task.run_id, role=task.role, name=work_name(task), attempt=2, began="then", device="d0",
        status=Status.SUCCESS, key=key, metrics={"rows": 1}, digests={METADATA: "own"}, duration_seconds=3.0,
    )  # fmt: skip


def test_what_a_window_reads_is_fetched_before_it_begins(hosts: tuple[Host, Host]) -> None:
    """Bars and teacher come from the store; other work fetches for itself."""
    one, two = hosts
    task = student(sha256(BARS).hexdigest())
    own = one.mirror.data_dir / "A.parquet"
    own.parent.mkdir()
    own.write_bytes(BARS)
    bars = BarsLayout.under(two.mirror.data_dir, task.settings.interval)
    one.mirror.push_bars(BarsLayout.under(one.mirror.data_dir, task.settings.interval), own, task.bars["A"])
    folder = one.artifact(task, Role.TEACHER)
    folder.mkdir(parents=True)
    (folder / METADATA).write_text('{"sha256": {}}')
    one.mirror.push_artifact(folder, "f" * 64)
    fetch = two.transfers.fetch(task)
    assert fetch is not None and fetch.result() is None and two.woken.wait(5.0)
    assert bars.bars_of("A", task.bars["A"]).read_bytes() == BARS
    assert (two.artifact(task, Role.TEACHER) / METADATA).read_text() == (folder / METADATA).read_text()
    assert two.transfers.usual_s > 0.0


def test_two_runs_have_their_own_bars_of_a_symbol(hosts: tuple[Host, Host]) -> None:
    """What is fetched for one, before its attempt is claimed, does not replace what an attempt of the other reads."""
    one, two = hosts
    layout, digests = BarsLayout.under(one.mirror.data_dir, "1day"), {}
    for content in (BARS, b"a day more"):
        digests[content] = sha256(content).hexdigest()
        own = one.mirror.data_dir / "A.parquet"
        own.parent.mkdir(exist_ok=True)
        own.write_bytes(content)
        one.mirror.push_bars(layout, own, digests[content])
    for digest in digests.values():
        fetch = two.transfers.fetch(student(digest))
        assert fetch is not None and fetch.exception() is None
    bars = BarsLayout.under(two.mirror.data_dir, "1day")
    assert all(bars.bars_of("A", digest).read_bytes() == content for content, digest in digests.items())


def test_an_error_of_a_fetch_ahead_ends_no_attempt(hosts: tuple[Host, Host], caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the attempt itself meets it again."""
    fetch = hosts[0].transfers.fetch(student("0" * 64))
    assert fetch is not None and fetch.exception() is None
    assert "was not fetched ahead" in caplog.text and "resume the run" in caplog.text


def test_a_fetch_that_waited_for_another_too_long_is_left_out(
    hosts: tuple[Host, Host], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its attempt has been claimed meanwhile; a store that is away is not waited for once for each attempt."""
    first, release = Event(), Event()

    def fetch_bars(task: WindowTask, mirror: Mirror) -> None:
        first.set()
        release.wait(30.0)
        raise StoreError("the store is away")

    monkeypatch.setattr(transfers, "fetch_bars", fetch_bars)
    fetches = [hosts[0].transfers.fetch(student(str(number) * 64)) for number in range(3)]
    assert first.wait(30.0)
    monkeypatch.setattr(transfers, "FETCH_S", 0.0)
    release.set()
    assert all(each is not None and each.exception(30.0) is None for each in fetches)
    assert caplog.text.count("was not fetched ahead") == 1


def test_of_two_artifacts_the_first_is_reported(hosts: tuple[Host, Host], two_device_run: Finished) -> None:
    """The second attempt's outcome has the digests and metrics of what the store has, and its folder those files."""
    one, two = hosts
    layout = RunLayout(two_device_run.folder)
    row = next(row for row in read_rows(layout, Role.TEACHER) if row.status is Status.SUCCESS)
    source = layout.artifact(row.window_label, Role.TEACHER)
    metadata = read_model(source / METADATA, METADATA_KINDS[Role.TEACHER])
    task = window_task("A", 0, Role.TEACHER)
    for host in hosts:
        shutil.copytree(source, host.artifact(task, Role.TEACHER))
    (two.artifact(task, Role.TEACHER) / "more").write_text("other bytes")
    own = success(task, metadata.key)
    assert one.transfers.publish(task, own).result() == own
    second = two.transfers.publish(task, own).result()
    assert second.digests[METADATA] == sha256_of(source / METADATA) and not second.metrics.keys() <= {"rows"}
    assert not (two.artifact(task, Role.TEACHER) / "more").exists()


def test_an_artifact_that_is_not_stored_has_failed(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    """The attempt's outcome is a failure that is tried again, and names no key."""
    one, _ = hosts
    task = window_task("A", 0, Role.TEACHER)
    folder = one.artifact(task, Role.TEACHER)
    folder.mkdir(parents=True)
    (folder / METADATA).write_text('{"sha256": {}}')
    (tmp_path / "store" / "models").write_text("a file where a folder should be")
    failed = one.transfers.publish(task, success(task, "f" * 64)).result()
    assert (failed.status, failed.failure, failed.key) == (Status.FAILED, FailureClass.TRANSIENT, None)
    assert (failed.attempt, failed.began, failed.duration_seconds) == (2, "then", 3.0)
    assert failed.message.startswith(f"the store {one.mirror.store.url} does not ") and "StoreError" in failed.traceback
