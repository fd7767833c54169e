"""Whether a host may use a store as a run needs it."""

import secrets

from schemas.contract.errors import RequestError, StoreError
from schemas.contract.store_address import store_url
from schemas.store.object_store import ObjectStore

PROBES = ".probes"
# A wrong address is reported soon; work that has begun waits longer.
PATIENCE_S = 15.0


def checked_store(url: str) -> str:
    """The URL of a store that takes, keeps, returns and removes an object. RequestError names what it does not do."""
    try:
        url = store_url(url)
    except ValueError as error:
        raise RequestError(f"--store: {error}") from None
    try:
        _probe(ObjectStore(url, PATIENCE_S), f"{PROBES}/{secrets.token_hex(8)}")
    except StoreError as error:
        raise RequestError(str(error)) from None
    return url


def _probe(store: ObjectStore, key: str) -> None:
    first, second = b"first", b"second"
    store.put_first(key, first)
    try:
        if store.put_first(key, second) != first or store.get(key) != first:
            raise RequestError(
                f"the store {store.url} replaces an object that must stay: it ignores the condition If-None-Match;"
                " use a server that has conditional writes"
            )
        if not store.keeps_newer(key):
            raise RequestError(
                f"the store {store.url} replaces an object by one that is older: it ignores the condition If-Match, so"
                " two hosts could run one run; use a server that has conditional writes"
            )
    finally:
        store.delete(key)
