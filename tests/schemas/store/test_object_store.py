"""The store's promises, on a real S3 server that fails as S3 does, and on a folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.contract.errors import RequestError, StoreError
from schemas.contract.store_address import store_url
from schemas.store import object_store
from schemas.store.object_store import ObjectStore, open_store
from schemas.store.probe import checked_store
from tests.doubles.cloud_server import CloudServer, cloud_server
from tests.doubles.s3_server import BUCKET, Fault, S3Server, s3_server

URL = f"s3://{BUCKET}/a/prefix"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[S3Server, dict[str, str]]]:
    """One server for all tests of this module."""
    with s3_server() as found:
        yield found


@pytest.fixture
def s3(running: tuple[S3Server, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, with this process's environment set for it."""
    server, environment = running
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    server.faults.clear()
    server.ignored = ""
    open_store.cache_clear()
    return server


@pytest.fixture
def clouds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudServer]:
    """A server that answers as Google's and Azure's stores, with this process's environment set for it."""
    with cloud_server(tmp_path) as (server, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(params=["s3", "file", "gs", "az"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """A store of each kind."""
    if request.param == "file":
        return ObjectStore(f"file://{tmp_path}/store")
    request.getfixturevalue("s3" if request.param == "s3" else "clouds")
    return ObjectStore(f"{request.param}://{BUCKET}/{tmp_path.name}")


def test_the_first_of_two_objects_stays(store: ObjectStore) -> None:
    """Who puts second gets what the first has put, until that is removed."""
    key = "models/run/windows/M&M_2023-06-01_to_2023-09-29/teacher.tar"
    assert store.put_first(key, b"first") == b"first"
    assert store.put_first(key, b"second") == b"first"
    assert store.get(key) == b"first" and store.has(key)
    store.delete(key)
    store.delete(key)
    assert store.get(key) is None and not store.has(key)


def test_an_object_is_replaced_only_by_who_has_seen_it(store: ObjectStore) -> None:
    """Of two hosts that read the same table, one writes the next, and the other must read again."""
    assert store.replace("table", b"one", None) and not store.replace("table", b"other", None)
    assert store.replace("table", b"two", b"one") and not store.replace("table", b"other", b"one")
    assert store.get("table") == b"two" and store.keeps_newer("other")
    store.delete("table")
    assert not store.replace("table", b"three", b"two")


@pytest.mark.parametrize("scheme", ["gs", "az"])
def test_a_host_checks_a_store_of_google_or_azure(clouds: CloudServer, scheme: str) -> None:
    """As one of the S3 protocol: nothing is left, and a server without conditions is named."""
    assert checked_store(f"{scheme}://{BUCKET}/x") == f"{scheme}://{BUCKET}/x" and not clouds.objects
    clouds.has_conditions = False
    with pytest.raises(RequestError, match="ignores the condition"):
        checked_store(f"{scheme}://{BUCKET}/x")


def test_azure_s_account_is_asked_for_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL `az://CONTAINER` has no place for it."""
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(RequestError, match="Account must be specified; set AZURE_STORAGE_ACCOUNT_NAME"):
        ObjectStore("az://container/x")


@pytest.mark.parametrize("faults", [["refused"] * 3, ["unanswered"], ["late"], ["refused", "unanswered", "late"]])
def test_a_write_survives_a_store_that_is_busy_or_slow(s3: S3Server, tmp_path: Path, faults: list[Fault]) -> None:
    """A request that S3 refuses or does not answer is sent again; its own object, stored before, is no other's."""
    store = ObjectStore(f"{URL}/{tmp_path.name}/{len(faults)}{faults[0]}")
    s3.faults.extend(faults)
    assert store.put_first("artifact.tar", b"own") == b"own"
    assert not s3.faults
    assert store.put_first("artifact.tar", b"other") == b"own"


@pytest.mark.parametrize("faults", [["late"], ["dropped", "dropped"]])
def test_a_write_without_an_answer_is_sent_again(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: list[Fault]
) -> None:
    """The library sends one with a condition once: the server has done it or not. None is sent after the patience."""
    monkeypatch.setattr(object_store, "ANSWER_S", 0.2)
    monkeypatch.setattr(object_store, "PAUSE_S", 0.5)
    store = ObjectStore(f"{URL}/{tmp_path.name}/{faults[0]}")
    s3.faults.extend(faults)
    assert store.put_first("artifact.tar", b"own") == b"own"
    assert not s3.faults and store.get("artifact.tar") == b"own"
    s3.faults.append("dropped")
    with pytest.raises(StoreError, match="does not write other"):
        ObjectStore(store.url, patience_s=0.3).put_first("other.tar", b"own")


def test_a_store_that_stays_away_is_named(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its patience the error names store and key, and what to check; a conditional write is not followed by a
    question that waits as long again."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    store = ObjectStore(URL, patience_s=0.5)
    for write in (store.put, store.put_first):
        with pytest.raises(
            StoreError, match=f"the store {URL} does not write key: .* after .* retries .*check its add"
        ):
            write("key", b"")
    monkeypatch.setattr(store, "get", lambda key: pytest.fail("the patience is over"))
    with pytest.raises(StoreError, match="does not write"):
        store.put_first("key", b"")


def test_a_host_without_credentials_is_told_so(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library then asks the cloud for those of the host's role; outside a cloud no server answers."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr(object_store, "METADATA_SERVICE", "127.0.0.1:9")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="this host has no credentials, neither in AWS_ACCESS_KEY_ID"):
        ObjectStore(URL, patience_s=0.2).put("key", b"")


def test_a_host_checks_a_store_before_it_begins(s3: S3Server) -> None:
    """The check leaves nothing behind; a missing bucket and a server without conditional writes are named."""
    assert checked_store(f"{URL}/") == URL
    (probe,) = {line.rpartition("/")[2] for line in s3.requests if ".probes/" in line}
    assert ObjectStore(URL).get(f".probes/{probe}") is None
    with pytest.raises(RequestError, match="there is no bucket nobucket for s3://nobucket/x; make it"):
        checked_store("s3://nobucket/x")
    for s3.ignored in ("If-None-Match", "If-Match"):
        with pytest.raises(RequestError, match=f"ignores the condition {s3.ignored}"):
            checked_store(URL)


def test_a_store_without_encryption_must_be_asked_for(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint of http:// alone is refused, with the variable that allows it."""
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(RequestError, match=r"is not encrypted; use https, or .*AWS_ALLOW_HTTP=true"):
        ObjectStore(URL)


@pytest.mark.parametrize(
    "url",
    [
        "bucket",
        "http://host/x",
        "s3://",
        "s3://user:password@bucket/x",
        "s3://bucket/x?endpoint=y",
        "s3://bucket/a/../b",
    ],
)
def test_what_is_no_store_is_refused(url: str) -> None:
    """Only a bucket and a prefix, or a folder: credentials and options would be printed and compared."""
    with pytest.raises(ValueError, match=r"store|path"):
        store_url(url)
