"""Who runs a run, by an object in the store: one host at a time, also where hosts share neither disk nor broker."""

import logging
import os
import platform
import time
from contextlib import suppress

from schemas.contract.base import Frozen
from schemas.contract.errors import Cancelled, GurukulError, HeldError, RequestError, StoreError
from schemas.contract.machine import this_machine
from schemas.contract.process import still_runs
from schemas.files.run_files import model_of
from schemas.store.object_store import ObjectStore

logger = logging.getLogger(__name__)

# A holder that has not renewed for so long has lost it. Clocks of hosts may differ by a part of this.
EXPIRY_S, RENEWED_EVERY_S = 60.0, 15.0
POLL_S = 0.5


class Holder(Frozen):
    """The content of a lease. `renewed` is in seconds since 1970, 0 once it was given back.

    `asked_to_cancel`: another host has asked the holder to cancel the run.
    """

    machine: str
    host: str
    pid: int
    renewed: float
    asked_to_cancel: bool = False


class Lease:
    """The lease of one run. A write counts only if the lease is still the one that was read before it."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store, self._key = store, key
        self._own: bytes | None = None
        self._renewed = 0.0

    def take(self) -> None:
        """Take it, also from a holder that has not renewed it. HeldError names a host that holds it."""
        before = self._store.get(self._key)
        holder = self._holder(before)
        if holder is not None and not _has_left(holder):
            left_s = holder.renewed + EXPIRY_S - time.time()
            gone = f" If it is gone, try again in {left_s:.0f} s" if holder.machine != this_machine() else ""
            raise HeldError(f"the run is being run by process {holder.pid} on {holder.host}; stop it there.{gone}")
        self._write(before, time.time())

    def keep(self) -> None:
        """Renew it if that is due. A store that is away is asked again.

        RequestError if another host has taken it, Cancelled if one has asked for that.
        """
        if self._own is None or time.monotonic() - self._renewed < RENEWED_EVERY_S:
            return
        try:
            self._write(self._own, time.time())
        except StoreError as error:
            self._renewed = time.monotonic()
            logger.warning("the lease is not renewed: %s", error)

    def cancel_elsewhere(self, within_s: float) -> bool:
        """Ask the process that holds it to cancel the run, and wait for its answer; False if none does.

        GurukulError if it has not given the lease back within so many seconds.
        """
        deadline, asked = time.monotonic() + within_s, False
        while True:
            before = self._store.get(self._key)
            holder = self._holder(before)
            if holder is None or before is None or not holder.renewed:
                return asked
            if not asked and _has_left(holder):
                return False
            if time.monotonic() > deadline:
                raise GurukulError(
                    f"process {holder.pid} on {holder.host} has not stopped the run in {within_s:.0f} s; it may hang,"
                    " or not reach the store; cancel it on that host"
                )
            if not holder.asked_to_cancel:
                wanted = holder.model_copy(update={"asked_to_cancel": True}).model_dump_json().encode()
                asked = self._store.replace(self._key, wanted, before) or asked
            time.sleep(POLL_S)

    @property
    def is_held(self) -> bool:
        """Whether this process holds it, as far as it knows."""
        return self._own is not None

    def give_back(self) -> None:
        """Let any host take it now."""
        if self._own is None:
            return
        with suppress(GurukulError):
            try:
                self._write(self._own, 0.0)
            except Cancelled:  # asked for since the last renewal: the other host waits for this
                self._write(self._own, 0.0)
        self._own = None

    def _holder(self, content: bytes | None) -> Holder | None:
        """The holder that an object names; FileError if it is no lease."""
        if content is None:
            return None
        remedy = "if no host runs the run, remove it"
        return model_of(content, Holder, f"{self._store.url}/{self._key}", remedy=remedy)

    def _write(self, before: bytes | None, renewed: float) -> None:
        holder = Holder(machine=this_machine(), host=platform.node(), pid=os.getpid(), renewed=renewed)
        own = holder.model_dump_json().encode()
        if not self._store.replace(self._key, own, before):
            now = self._store.get(self._key)
            found = self._holder(now)
            self._own = None
            if found is not None and (found.machine, found.pid) == (holder.machine, holder.pid):
                self._own = now
                if found.asked_to_cancel:
                    raise Cancelled("stopped by `orchestrator cancel` on another host")
                if now != before:  # an earlier renewal, whose answer was lost
                    self._write(now, renewed)
                    return
            raise RequestError(f"another host has taken over the run: see {self._store.url}/{self._key}")
        self._own, self._renewed = own, time.monotonic()


def _has_left(holder: Holder) -> bool:
    """Whether any process may take the lease: it was given back, or its holder has ended or not renewed it for long.

    On this machine the process itself is looked at: it may have another data folder, and be between two renewals.
    """
    if holder.machine != this_machine():
        return holder.renewed + EXPIRY_S <= time.time()
    return not holder.renewed or holder.pid == os.getpid() or not still_runs(holder.pid, holder.renewed)
