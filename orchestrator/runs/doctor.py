"""Looks at everything that a run's fleet needs, from the orchestrator's side: broker, store, disk, devices."""

import time
from collections.abc import Iterator, Mapping

from redis import Redis
from redis.exceptions import RedisError

from orchestrator.broker import embedded
from orchestrator.broker.requirements import run_checks
from orchestrator.dispatch.fleet_report import read_fleet
from orchestrator.dispatch.needs import Needs, unwell
from schemas.contract.broker_address import public_url
from schemas.contract.check import Check, CheckState
from schemas.contract.errors import GurukulError
from schemas.contract.presence import Presence
from schemas.files.free_space import free_gib, free_space_check
from schemas.redis.client import address_of, connect
from schemas.redis.connection_fault import connection_fault
from schemas.redis.server_checks import clock_check, skew_check
from schemas.store.probe import checked_store


def examine(broker: str, store: str | None, data_dir: str, plugins: Mapping[str, str] | None = None) -> Iterator[Check]:
    """Every check of a run that would be started here for a fleet; each is made when it is asked for."""
    needs = Needs.of(data_dir, store, plugins=plugins)
    yield _ok("versions", ", ".join(f"{name} {version}" for name, version in needs.versions.items()))
    yield free_space_check(needs.data_dir, free_gib(needs.data_dir))
    yield from _store(store, needs.data_dir)
    yield from _broker(broker, needs)


def _store(url: str | None, data_dir: str) -> Iterator[Check]:
    if url is None:
        yield _ok("store", f"none (--store): devices work under {data_dir}, which their hosts must share")
        return
    began = time.monotonic()
    try:
        checked_store(url)
    except GurukulError as error:
        yield _fault("store", str(error))
        return
    spent_ms = 1000 * (time.monotonic() - began)
    yield _ok("store", f"{url} takes, keeps, returns and removes an object ({spent_ms:.0f} ms for all)")


def _broker(url: str, needs: Needs) -> Iterator[Check]:
    try:
        embedded.check(url)
        address = address_of(url)
        with connect(url, timeout_s=embedded.CHECK_S) as redis:
            began = time.monotonic()
            redis.ping()
            user = address.username or ("default" if address.password else "default, without a password")
            spent_ms = 1000 * (time.monotonic() - began)
            yield _ok("broker", f"{public_url(url)} answers in {spent_ms:.1f} ms, to user {user}")
            for check in run_checks(redis, address, ()):
                yield check.model_copy(update={"name": f"broker {check.name}", "text": f"it {check.text}"})
            clock = clock_check(redis)
            yield clock.model_copy(update={"text": f"that of this host {clock.text}"})
            yield from _fleet(redis, needs)
    except GurukulError as error:
        yield _fault("broker", str(error).removeprefix("broker "))
    except RedisError as error:
        yield _fault("broker", f"{public_url(url)} {connection_fault(error, url)}")


def _fleet(redis: Redis, needs: Needs) -> Iterator[Check]:
    fleet = read_fleet(redis, 0)
    found, cordoned = fleet.devices, fleet.cordoned
    fit = [each for each in found.values() if not needs.unmet(each) and each.device.name not in cordoned]
    slots = sum(each.device.slots for each in fit)
    if fit:
        yield _ok("devices", f"{len(fit)} of {len(found)} can work for a run from here, {_slots(slots)} in all")
    elif found:
        yield _fault("devices", f"none of {len(found)} can work for a run from here; the lines below name the remedies")
    elif fleet.unreadable:
        yield _fault("devices", "no worker is online whose heartbeat can be read; the lines below name the remedies")
    else:
        yield _fault("devices", "no worker is online; start one: workers start --broker URL")
    for name, each in found.items():
        yield from device_checks(each, needs, cordoned=name in cordoned)
    for name in fleet.away:
        yield _note(name, "it is cordoned and not online; to forget it: orchestrator fleet uncordon NAME")
    for name, reason in fleet.unreadable.items():
        yield _fault(
            name.encode("unicode_escape").decode(),
            f"its heartbeat cannot be read: {reason}; stop its worker, or correct it",
        )
    if number := sum(fleet.letters.values()):
        yield _note("dead letters", f"{number} could not be read and were set aside; see: orchestrator fleet")


def device_checks(presence: Presence, needs: Needs, *, cordoned: bool) -> Iterator[Check]:
    """What keeps a device from work or endangers it; one line with what it offers if there is nothing."""
    troubles = list(_troubles(presence, needs, cordoned=cordoned))
    yield from troubles
    if not troubles:
        free = "" if presence.free_gib is None else f", {presence.free_gib:.0f} GiB free"
        model = f"{presence.device.model}, " if presence.device.model else ""
        yield _ok(
            presence.device.name, f"{model}{_slots(presence.device.slots)}, {len(presence.running)} running{free}"
        )


def _troubles(presence: Presence, needs: Needs, *, cordoned: bool) -> Iterator[Check]:
    name, folders = presence.device.name, presence.folders
    why, ill = needs.unmet(presence), unwell(presence)
    if why:
        yield _fault(name, f"it gets no work from here: {why}")
    if ill and ill != why:
        yield _fault(name, ill)
    if folders is not None and presence.free_gib is not None and not ill:
        disk = free_space_check(folders.data_dir, presence.free_gib)
        if disk.state is not CheckState.OK:
            yield _fault(name, f"on its host {disk.text}")
    if (use := presence.store) is not None and use.failed_at is not None and not use.is_failing:
        count = "1 request" if use.errors == 1 else f"{use.errors} requests"
        when = f"since its worker started, the last at {use.failed_at:%H:%M:%S} UTC"
        yield _note(name, f"it reaches the store now, but {count} to it failed {when}: {use.last_error}")
    if presence.clock_ahead_s is not None:
        clock = skew_check(presence.clock_ahead_s)
        if clock.state is not CheckState.OK:
            yield _note(name, f"the clock of its host {clock.text}")
    if cordoned:
        yield _note(name, f"it is cordoned and gets no work; to end that: orchestrator fleet uncordon {name}")
    if presence.draining:
        yield _note(name, "it is leaving: it finishes what it runs")
    if presence.distance:
        yield _note(name, f"it is {presence.distance}: windows shorter than that keep its slots busy only in part")


def _slots(count: int) -> str:
    return "1 slot" if count == 1 else f"{count} slots"


def _ok(name: str, text: str) -> Check:
    return Check(name=name, state=CheckState.OK, text=text)


def _note(name: str, text: str) -> Check:
    return Check(name=name, state=CheckState.NOTE, text=text)


def _fault(name: str, text: str) -> Check:
    return Check(name=name, state=CheckState.FAULT, text=text)
