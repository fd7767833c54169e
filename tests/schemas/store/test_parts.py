"""A large file goes through a real S3 server in parts, and what an intruder puts there stays bounded."""

import json
import secrets
from collections.abc import Iterator
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from schemas.contract.errors import FileError, StoreError
from schemas.files.atomic import sha256_of
from schemas.files.free_space import LEAST_FREE_GIB
from schemas.store import parts
from schemas.store.object_store import ObjectStore
from schemas.store.parts import MARK, PART_BYTES, delete_file, get_file, put_file
from tests.doubles.s3_server import BUCKET, s3_server

KEY = "models/r/copies/file"


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """What leads to a running server."""
    with s3_server() as (_, found):
        yield found


@pytest.fixture
def store(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """An empty store on the server."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return ObjectStore(f"s3://{BUCKET}/{secrets.token_hex(4)}")


def sizes(store: ObjectStore, environment: dict[str, str]) -> dict[str, int]:
    """Size of every object of the store, as the server lists them."""
    connection = HTTPConnection(urlsplit(environment["AWS_ENDPOINT_URL"]).netloc)
    prefix = urlsplit(store.url).path.strip("/")
    connection.request("GET", f"/{BUCKET}?list-type=2&prefix={prefix}/")
    listed = connection.getresponse().read().decode()
    connection.close()
    found = [each.partition("</Key>") for each in listed.split("<Key>")[1:]]
    return {key.removeprefix(f"{prefix}/"): int(rest.split("<Size>")[1].split("<")[0]) for key, _, rest in found}


def large_file(path: Path, seed: str) -> str:
    """Write two and a half parts, of which the first two are equal; returns the file's digest."""
    part = sha256(seed.encode()).digest() * (PART_BYTES // 32)
    path.write_bytes(part + part + part[::2])
    return sha256_of(path)


def test_a_large_file_is_moved_in_parts(store: ObjectStore, environment: dict[str, str], tmp_path: Path) -> None:
    """No object is larger than a part, another host has the same bytes, and what is replaced leaves nothing."""
    path, there = tmp_path / "file", tmp_path / "there" / "file"
    for seed in ("one", "two"):
        digest = large_file(path, seed)
        put_file(store, KEY, path)
        assert get_file(store, KEY, there, digest) and sha256_of(there) == digest
        assert sorted(sizes(store, environment).values())[1:] == [PART_BYTES // 2, PART_BYTES]
    delete_file(store, KEY)
    assert sizes(store, environment) == {} and not get_file(store, KEY, there, None)
    path.write_bytes(b"small")
    put_file(store, KEY, path)
    assert sizes(store, environment) == {KEY: 5} and get_file(store, KEY, there, sha256_of(path))


def test_a_reader_of_a_file_that_is_replaced_gets_the_newer_one(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts that it was to read are gone; it reads the list again."""
    path, there = tmp_path / "file", tmp_path / "there"
    large_file(path, "one")
    put_file(store, KEY, path)
    first = store.get(KEY)
    digest = large_file(path, "two")
    put_file(store, KEY, path)
    get, old = store.get, [first]
    with monkeypatch.context() as patch:
        patch.setattr(store, "get", lambda key, *most: old.pop() if key == KEY and old else get(key, *most))
        assert get_file(store, KEY, there, digest)


FULL, ONE = bytes(PART_BYTES), b"1"


@pytest.mark.parametrize(
    ("size_bytes", "stored", "named", "kind", "words"),
    [
        (PART_BYTES + 1, (FULL, ONE), (FULL, ONE), OSError, "must stay free: '.*/file'"),
        (3 * PART_BYTES, (FULL, ONE), (FULL, ONE), FileError, "2 parts have not"),
        (PART_BYTES + 1, (FULL, FULL), (FULL, FULL), StoreError, "is larger than"),
        (PART_BYTES + 1, (FULL, b"2"), (FULL, ONE), FileError, "is not what its name"),
        (PART_BYTES + 1, (FULL,), (FULL, ONE), FileError, "has no"),
    ],
)
def test_what_an_intruder_stores_takes_no_room(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int, stored: tuple[bytes, ...],
    named: tuple[bytes, ...], kind: type[Exception], words: str,
) -> None:  # fmt: skip
    """A size that is not free, too few parts, a part that is too large, changed or missing: an error, and no file."""
    if kind is OSError:
        monkeypatch.setattr(parts, "free_gib", lambda folder: LEAST_FREE_GIB + 0.001)
    names = [sha256(content).hexdigest() for content in named]
    store.put(KEY, MARK + json.dumps({"size_bytes": size_bytes, "sha256": names}).encode())
    for name, content in zip(names, stored, strict=False):
        store.put(f"{KEY}.parts/{name}", content)
    with pytest.raises(kind, match=words):
        get_file(store, KEY, tmp_path / "file", None)
    assert not list(tmp_path.iterdir())


def test_a_list_of_too_many_parts_is_not_parsed(store: ObjectStore, tmp_path: Path) -> None:
    """1 MiB of digests is the most that a list of parts may have."""
    store.put(KEY, MARK + b" " * parts.LARGEST_LIST_BYTES)
    with pytest.raises(FileError, match="lists more parts"):
        get_file(store, KEY, tmp_path / "file", None)
