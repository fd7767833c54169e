"""Artifacts that go through the store: whole, the first stays, and nothing that no artifact has comes out."""

import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

from schemas.contract.errors import FileError
from schemas.files.atomic import sha256_of
from schemas.files.layout import METADATA
from schemas.store.mirror import Mirror
from schemas.store.object_store import ObjectStore
from schemas.store.packing import pack, unpack

KEY = "f" * 64


def host(tmp_path: Path, name: str) -> Mirror:
    """A host with a data folder of its own, and the store that all hosts share."""
    return Mirror(tmp_path / name / "data", ObjectStore(f"file://{tmp_path}/store"))


def artifact(mirror: Mirror, **files: str) -> Path:
    """An artifact's folder on a host."""
    folder = mirror.data_dir / "models/run/windows/A_1/teacher"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    digests = {name: sha256(content.encode()).hexdigest() for name, content in files.items()}
    (folder / METADATA).write_text(json.dumps({"sha256": digests}))
    return folder


def archive(*names: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A tar archive with empty members of these names, and a metadata file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            file.addfile(member)
        file.addfile(tarfile.TarInfo(METADATA))
    return buffer.getvalue()


def test_an_artifact_arrives_with_the_same_bytes(tmp_path: Path) -> None:
    """Another host has the same files; equal folders make equal objects, whatever their times and modes."""
    one, two = host(tmp_path, "one"), host(tmp_path, "two")
    folder = artifact(one, model="trees", labels="rows")
    assert one.push_artifact(folder, KEY)
    there = two.data_dir / folder.relative_to(one.data_dir)
    two.pull_artifact(there, sha256_of(folder / METADATA))
    there.chmod(0o700)
    assert pack(there) == pack(folder)


def test_of_two_attempts_the_first_stays_on_every_host(tmp_path: Path) -> None:
    """The second finds other bytes, and its own folder then holds the first's."""
    one, two = host(tmp_path, "one"), host(tmp_path, "two")
    assert one.push_artifact(artifact(one, model="first"), KEY)
    folder = artifact(two, model="second", extra="file")
    assert not two.push_artifact(folder, KEY)
    assert (folder / "model").read_text() == "first" and not (folder / "extra").exists()


def test_a_part_of_an_artifact_is_neither_stored_nor_taken(tmp_path: Path) -> None:
    """What is stored first stays: a teacher without its model would be read as one by every host, and by resume."""
    one, two = host(tmp_path, "one"), host(tmp_path, "two")
    folder = artifact(one, model="trees", labels="rows")
    (folder / "model").unlink()
    with pytest.raises(OSError, match="has model not as its metadata"):
        one.push_artifact(folder, KEY)
    there = two.data_dir / folder.relative_to(one.data_dir)
    with pytest.raises(FileError, match="has no models/run"):
        two.pull_artifact(there)
    (folder / "model").write_text("other trees")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for path in sorted(folder.iterdir()):
            file.add(path, path.name)
    one.store.put(f"{one.key(folder)}.tar", buffer.getvalue())
    with pytest.raises(FileError, match="has model not as its metadata"):
        two.pull_artifact(there)
    assert not there.exists()


def test_what_was_not_reported_is_not_taken(tmp_path: Path) -> None:
    """A missing artifact, and one with other metadata than its attempt reported, are named and leave no folder."""
    one, two = host(tmp_path, "one"), host(tmp_path, "two")
    there = two.data_dir / "models/run/windows/A_1/teacher"
    with pytest.raises(FileError, match=r"has no models/run/windows/A_1/teacher\.tar; resume the run"):
        two.pull_artifact(there)
    one.push_artifact(artifact(one, model="trees"), KEY)
    with pytest.raises(FileError, match="is not what its attempt reported"):
        two.pull_artifact(there, "0" * 64)
    assert not there.exists()


def test_an_artifact_that_another_process_has_brought_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came while this process asked the store; a third process may be reading it."""
    one, two = host(tmp_path, "one"), host(tmp_path, "two")
    one.push_artifact(artifact(one, model="trees"), KEY)
    there, get = two.data_dir / "models/run/windows/A_1/teacher", ObjectStore.get

    def brought_meanwhile(store: ObjectStore, key: str) -> bytes | None:
        monkeypatch.undo()
        host(tmp_path, "two").pull_artifact(there)
        (there / "mark").touch()
        return get(store, key)

    monkeypatch.setattr(ObjectStore, "get", brought_meanwhile)
    two.pull_artifact(there)
    assert (there / "mark").is_file()


def test_an_artifact_is_found_by_the_key_of_its_inputs(tmp_path: Path) -> None:
    """Another run's artifact comes here under that run's name; a key that leads nowhere or elsewhere finds none."""
    one, two = host(tmp_path, "one"), host(tmp_path, "two")
    folder = artifact(one, model="trees")
    one.push_artifact(folder, KEY)
    found = two.pull_equal(KEY)
    assert found == two.data_dir / folder.relative_to(one.data_dir) and pack(found) == pack(folder)
    assert two.pull_equal("0" * 64) is None
    for place in (b"models/gone/windows/A_1/teacher", b"../../etc", b"models/../windows/x/teacher", b"\xff"):
        one.store.put(f"keys/{KEY}", place)
        assert two.pull_equal(KEY) is None


@pytest.mark.parametrize(
    "content",
    [
        archive("../escape"), archive("/absolute"), archive("a/b"), archive(".hidden"), archive("x", "x"),
        archive("link", kind=tarfile.SYMTYPE), archive("hard", kind=tarfile.LNKTYPE),
        archive("device", kind=tarfile.CHRTYPE), archive("folder", kind=tarfile.DIRTYPE),
        archive(*(f"f{number}" for number in range(40))), b"no archive", archive("cut")[:700], b"",
    ],
)  # fmt: skip
def test_an_archive_that_no_artifact_makes_is_refused(content: bytes) -> None:
    """Paths, links, devices, doubles, too many files, no archive and half an archive are errors, and write nothing."""
    with pytest.raises(FileError, match="store/x"):
        unpack(content, "store/x")
