"""Who runs a run, by an object in the store: one host at a time, also where hosts share neither disk nor broker."""

import logging
import os
import platform
import time
from contextlib import suppress

from schemas.contract.base import Frozen
from schemas.contract.errors import RequestError, StoreError
from schemas.contract.machine import this_machine
from schemas.store.object_store import ObjectStore

logger = logging.getLogger(__name__)

# A holder that has not renewed for so long has lost it. Clocks of hosts may differ by a part of this.
EXPIRY_S, RENEWED_EVERY_S = 60.0, 15.0


class Holder(Frozen):
    """The content of a lease. `renewed` is in seconds since 1970, 0 once it was given back."""

    machine: str
    host: str
    pid: int
    renewed: float


class Lease:
    """The lease of one run. A write counts only if the lease is still the one that was read before it."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store, self._key = store, key
        self._own: bytes | None = None
        self._renewed = 0.0

    def take(self) -> None:
        """Take it, also from a holder that has not renewed it. RequestError names a host that holds it."""
        before = self._store.get(self._key)
        holder = Holder.model_validate_json(before) if before is not None else None
        if holder is not None and holder.machine != this_machine():
            left_s = holder.renewed + EXPIRY_S - time.time()
            if left_s > 0:
                raise RequestError(
                    f"the run is being run by process {holder.pid} on {holder.host}; stop it there. If it is gone, try"
                    f" again in {left_s:.0f} s"
                )
        self._write(before, time.time())

    def keep(self) -> None:
        """Renew it if that is due; RequestError if another host has taken it. A store that is away is asked again."""
        if self._own is None or time.monotonic() - self._renewed < RENEWED_EVERY_S:
            return
        try:
            self._write(self._own, time.time())
        except StoreError as error:
            self._renewed = time.monotonic()
            logger.warning("the lease is not renewed: %s", error)

    @property
    def is_held(self) -> bool:
        """Whether this process holds it, as far as it knows."""
        return self._own is not None

    def give_back(self) -> None:
        """Let any host take it now."""
        if self._own is not None:
            with suppress(RequestError, StoreError):
                self._write(self._own, 0.0)
            self._own = None

    def _write(self, before: bytes | None, renewed: float) -> None:
        holder = Holder(machine=this_machine(), host=platform.node(), pid=os.getpid(), renewed=renewed)
        own = holder.model_dump_json().encode()
        if not self._store.replace(self._key, own, before):
            self._own = None
            raise RequestError(f"another host has taken over the run: see {self._store.url}/{self._key}")
        self._own, self._renewed = own, time.monotonic()
