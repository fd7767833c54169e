"""A run's copy in the store: of one moment, and of the host that runs the run."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_lock import only_one
from orchestrator.store.run_copy import RunCopy, fetch_copy
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import HeldError, RequestError, StoreError
from schemas.contract.task import Role
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest, write_manifest
from schemas.store import parts
from schemas.store.mirror import Mirror
from schemas.store.object_store import ObjectStore


class Host:
    """A host with a data folder of its own, and the store that all hosts share."""

    def __init__(self, folder: Path, name: str) -> None:
        self.mirror = Mirror(folder / name / "data", ObjectStore(f"file://{folder}/store"))
        self.layout = RunLayout.under(self.mirror.data_dir, "r")

    def begin(self) -> None:
        """Run the run from here on."""
        self.copy = RunCopy(self.mirror, self.layout, read_manifest(self.layout).config)
        self.copy.begin()

    def publish(self, message: str) -> None:
        """End a phase: the ledger has this message, and the rows have it too."""
        with closing(Ledger(self.layout.ledger)) as ledger:
            ledger.set(message=message)
            (self.layout.folder / "student_runs.json").write_text(message)
            self.copy.publish(ledger)

    def objects(self) -> list[Path]:
        """The objects of its copies in the store."""
        return list(Path(self.mirror.store.url.removeprefix("file://"), "models/r/copies").iterdir())

    def fetched(self) -> tuple[str, str | None]:
        """What rows and ledger of the copy say that is here after a fetch."""
        fetch_copy(self.mirror, "r")
        with closing(Ledger(self.layout.ledger, read_only=True)) as ledger:
            return (self.layout.folder / "student_runs.json").read_text(), ledger.get("message")


@pytest.fixture
def one(tmp_path: Path) -> Host:
    """The host on which a run was begun."""
    host = Host(tmp_path, "one")
    config = RunConfig.model_validate({"start_date": "2022-01-01", "end_date": "2022-12-31"})
    manifest = RunManifest(
        run_id="r", created=datetime.now(UTC), config=config, devices=(), bars=None, plan=(), versions={}, trained_by=""
    )
    host.layout.folder.mkdir(parents=True)
    write_manifest(host.layout, manifest)
    host.mirror.push(host.layout.manifest)
    Ledger.create(host.layout.ledger).close()
    host.begin()
    return host


def test_a_host_that_lost_the_run_without_noticing_publishes_nothing(one: Host, tmp_path: Path) -> None:
    """It slept past its lease: its copy is refused, and readers find that of the host that goes on, whole."""
    one.publish("first")
    two = Host(tmp_path, "two")
    assert two.fetched() == ("first", "first")
    two.begin()
    two.publish("second")
    with pytest.raises(RequestError, match="another host has taken over the run"):
        one.publish("stale")
    assert Host(tmp_path, "three").fetched() == ("second", "second")


def test_a_list_whose_storing_had_no_answer_is_its_publisher_s(one: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store has it, the publisher does not know that: its next copy replaces it."""
    one.publish("first")
    replace = ObjectStore.replace

    def unanswered(store: ObjectStore, key: str, content: bytes, before: bytes | None) -> bool:
        replace(store, key, content, before)
        raise StoreError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "replace", unanswered)
        with pytest.raises(StoreError):
            one.publish("unanswered")
    one.publish("third")
    assert one.fetched() == ("third", "third")
    one.publish("fourth")
    assert len(one.objects()) == 5, "run.json, and two of ledger and rows: none of what had no answer"


def test_a_copy_can_be_fetched_while_the_next_is_published(one: Host, tmp_path: Path) -> None:
    """The files of the list that a reader has are kept until the second list after it."""
    one.publish("first")
    two = Host(tmp_path, "two")
    get, published = two.mirror.store.get, []

    def slowly(key: str) -> bytes | None:
        content = get(key)
        if key.endswith("copy.json"):
            one.publish("second")
            published.append(key)
        return content

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two.mirror.store, "get", slowly)
        assert two.fetched() == ("first", "first") and published
    for message in ("third", "fourth", "fifth"):
        one.publish(message)
    assert len(one.objects()) == 5, "run.json, and two of ledger and rows"
    two.begin()
    for message in ("sixth", "seventh", "eighth"):
        two.publish(message)
    assert len(one.objects()) <= 7, "of the publisher before, none but its last"


def test_a_large_file_of_a_copy_goes_in_parts(one: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No object is larger than a part, whatever the ledger's size; old copies leave no part behind."""
    monkeypatch.setattr(parts, "PART_BYTES", 8192)
    for message in ("first", "second", "third", "fourth"):
        with closing(Ledger(one.layout.ledger)) as ledger:
            ledger.add(Role.TEACHER, [f"{message}{number}" for number in range(1000)])
        one.publish(message)
    copies = tmp_path / "store/models/r/copies"
    assert max(path.stat().st_size for path in copies.rglob("*") if path.is_file()) <= 8192
    assert len({path.parent for path in copies.glob("*.parts/*")}) == 2, "two ledgers"
    assert Host(tmp_path, "two").fetched() == ("fourth", "fourth")


def test_a_run_that_this_host_runs_is_not_fetched(one: Host) -> None:
    """The copy is older than its ledger; once it has ended, one with a log of its own is replaced whole."""
    one.publish("first")
    with closing(Ledger(one.layout.ledger)) as ledger:
        with only_one(one.layout, ledger), pytest.raises(HeldError, match="is being run on this host"):
            fetch_copy(one.mirror, "r")
        ledger.set(message="later")
        log = one.layout.ledger.with_name("ledger.db-wal").read_bytes()
    one.layout.ledger.with_name("ledger.db-wal").write_bytes(log)
    assert one.fetched() == ("first", "first")
