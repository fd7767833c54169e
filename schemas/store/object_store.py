"""An object store by its URL: whole objects are put and read, and of two that are put first, the first stays."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from schemas.contract.errors import RequestError, StoreError
from schemas.contract.extras import explain_missing, missing_modules
from schemas.contract.store_address import store_url
from schemas.files.bounded import LARGEST_FILE_BYTES, MIB
from schemas.files.locks import lock
from schemas.store.store_meter import METER

if TYPE_CHECKING:
    from obstore import ObjectMeta, UpdateVersion
    from obstore.store import ObjectStore as Connection

# A request that is refused for load, or not answered, is sent again with backoff for so long: a network may be cut for
# a minute, and the last pauses are of 15 s. The time decides: ten retries ended after 43 s.
PATIENCE_S = 120.0
MOST_RETRIES = 1000
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
# An answer that is later than this is lost; sooner where the patience is shorter.
ANSWER_S, CONNECTED_S = 30.0, 5.0
# Who is asked for the credentials of a cloud's host.
METADATA_SERVICE = "169.254.169.254"
# How the library names its own settings.
RETRIES = re.compile(r" in [\d.]+m?s, after (\d+) retries, max_retries: \d+, retry_timeout: \d+m?s")
# The object that a message names already, and how long a request took that was not sent again.
PLACE = re.compile(r" for path [^\s:]+(?=:)|(?<=\w)/[^\s:]+ in [\d.]+m?s(?= - )")
# Between two conditional writes of which the first had no answer.
PAUSE_S = 1.0


class ObjectStore:
    """Objects below a URL. Keys are relative paths with `/`.

    StoreError from every method if the store refuses or does not answer for `patience_s`.
    """

    def __init__(self, url: str, patience_s: float = PATIENCE_S) -> None:
        """Open the store without a request. RequestError if this host lacks the extra [store], or for a bad setting."""
        if missing := missing_modules(["store"]):
            raise RequestError(explain_missing(missing))
        import obstore.store
        from obstore.exceptions import BaseError

        self.url = store_url(url)
        self._is_folder = url.startswith("file:")
        own: dict[str, Any] = {"mkdir": True} if self._is_folder else {}
        self._patience_s = patience_s
        retry = {"max_retries": MOST_RETRIES, "retry_timeout": timedelta(seconds=patience_s)}
        remote: dict[str, Any] = {} if own else {"client_options": _client_options(patience_s), "retry_config": retry}
        try:
            self._connection: Connection = obstore.store.from_url(self.url, **own, **remote)
        except (BaseError, OSError) as error:
            remedy = "set AZURE_STORAGE_ACCOUNT_NAME" if url.startswith("az:") else "check --store and its credentials"
            raise RequestError(f"the store {url} cannot be opened: {_first_line(error)}; {remedy}") from None

    def get(self, key: str, largest_bytes: int = LARGEST_FILE_BYTES) -> bytes | None:
        """The content of an object; None if there is none. StoreError if it is larger than `largest_bytes`."""
        import obstore

        with self._named(f"read {key}"):
            try:
                found = obstore.get(self._connection, key)
            except FileNotFoundError:
                return None
            if found.meta["size"] > largest_bytes:
                raise StoreError(f"{self.url}/{key} is larger than {largest_bytes / MIB:.3g} MiB; remove it")
            content = bytes(found.bytes())
        METER.fetched(len(content))
        return content

    def put(self, key: str, content: bytes) -> None:
        """Store an object; it replaces one of that key."""
        import obstore

        with self._named(f"write {key}"):
            obstore.put(self._connection, key, content, use_multipart=False)
        METER.stored(len(content))

    def put_first(self, key: str, content: bytes) -> bytes:
        """Store an object unless one of that key is stored; return the stored content, own or first.

        A request that was sent again after its answer was lost finds its own object. The library sends one with a
        condition again only if the store has refused it, so one without an answer is sent again here.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, GenericError

        deadline_s, what = time.monotonic() + self._patience_s, f"write {key}"
        while True:
            unanswered: GenericError | None = None
            with self._named(what):
                try:
                    obstore.put(self._connection, key, content, mode="create", use_multipart=False)
                    METER.stored(len(content))
                    return content
                except AlreadyExistsError:
                    pass
                except GenericError as error:
                    unanswered = error
            is_over = unanswered is not None and time.monotonic() + PAUSE_S > deadline_s
            if not is_over:
                try:
                    if (stored := self.get(key)) is not None:
                        return stored
                except StoreError:
                    if unanswered is None:
                        raise
                    is_over = True
            if unanswered is not None:
                if is_over:
                    with self._named(what):
                        raise unanswered
                time.sleep(PAUSE_S)

    def replace(self, key: str, content: bytes, before: bytes | None) -> bool:
        """Store an object if the one of that key still is `before` (None: there is none); whether it was stored."""
        import obstore

        if before is None:
            return self.put_first(key, content) == content
        if self._is_folder:
            return self._replace_in_folder(key, content, before)
        with self._named(f"write {key}"):
            try:
                found = obstore.get(self._connection, key)
            except FileNotFoundError:
                return False
            if bytes(found.bytes()) != before:
                return False
            return self._put_over(found.meta, content) or self.get(key) == content

    def keeps_newer(self, key: str) -> bool:
        """Whether the store refuses to replace an object that has changed since it was read. Tried at `key`."""
        import obstore

        if self._is_folder:
            return True  # `replace` locks it
        self.put(key, b"read")
        with self._named(f"write {key}"):
            read = obstore.head(self._connection, key)
        self.put(key, b"newer")
        with self._named(f"write {key}"):
            return not self._put_over(read, b"older")

    def _put_over(self, read: "ObjectMeta", content: bytes) -> bool:
        """Store an object if the one of its path has not changed since it was read; whether it was stored."""
        import obstore
        from obstore.exceptions import PreconditionError

        # Google compares the version, others the ETag.
        tag, version = read["e_tag"], read["version"]
        seen: UpdateVersion = {"e_tag": tag} if version is None else {"e_tag": tag, "version": version}
        try:
            obstore.put(self._connection, read["path"], content, mode=seen, use_multipart=False)
        except PreconditionError:
            return False
        return True

    def _replace_in_folder(self, key: str, content: bytes, before: bytes) -> bool:
        """As `replace`: a folder has locks, and no conditions."""
        with (Path(urlsplit(self.url).path) / ".lock").open("w") as file:
            lock(file)
            if self.get(key) != before:
                return False
            self.put(key, content)
        return True

    def has(self, key: str) -> bool:
        """Whether an object is stored."""
        import obstore

        with self._named(f"look up {key}"):
            try:
                obstore.head(self._connection, key)
            except FileNotFoundError:
                return False
            return True

    def keys(self, folder: str) -> set[str]:
        """Keys of all objects below a folder."""
        import obstore

        with self._named(f"list {folder}"):
            return {each["path"] for some in obstore.list(self._connection, folder) for each in some}

    def delete(self, key: str) -> None:
        """Remove an object, if it is stored."""
        import obstore

        with self._named(f"remove {key}"):
            try:
                obstore.delete(self._connection, key)
            except FileNotFoundError:
                return

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        with METER.request(), self._explained(what):
            yield

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        from obstore.exceptions import AlreadyExistsError, BaseError

        try:
            yield
        except AlreadyExistsError:
            raise
        except FileNotFoundError:
            raise StoreError(
                f"there is no bucket {self.url.split('/')[2]} for {self.url}; make it, or check --store"
            ) from None
        except (BaseError, OSError) as error:
            text = _first_line(error)
            if METADATA_SERVICE in text:
                raise StoreError(
                    f"the store {self.url} does not {what}: this host has no credentials, neither in AWS_ACCESS_KEY_ID"
                    f" and AWS_SECRET_ACCESS_KEY nor by a role of the cloud; set them ({text})"
                ) from None
            raise StoreError(
                f"the store {self.url} does not {what}: {text}; check its address, credentials and rights"
            ) from None


def _client_options(patience_s: float) -> dict[str, Any]:
    """How requests are sent. RequestError for an endpoint without TLS, unless that was asked for."""
    endpoint = next((value for name in ENDPOINTS if (value := os.environ.get(name))), "")
    allows = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
    if endpoint.startswith("http://") and not allows:
        raise RequestError(f"{endpoint} is not encrypted; use https, or on a trusted network AWS_ALLOW_HTTP=true")
    answer, connected = (timedelta(seconds=min(each, patience_s)) for each in (ANSWER_S, CONNECTED_S))
    return {"timeout": answer, "connect_timeout": connected, "allow_http": allows}


@lru_cache(maxsize=4)
def open_store(url: str) -> ObjectStore:
    """The store of a URL, opened once per process."""
    return ObjectStore(url)


def _first_line(error: Exception) -> str:
    """The text of an error, in one line that is not longer than a screen."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    line = RETRIES.sub(r" after \1 retries", " ".join(line.split()))
    return PLACE.sub("", line)[:400]
