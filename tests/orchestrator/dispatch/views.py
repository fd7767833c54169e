"""Builds views of a fleet for tests of the policy."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from orchestrator.dispatch.backlog import Backlog
from orchestrator.dispatch.needs import Needs
from orchestrator.dispatch.policy import Send, View, fit_for, policy
from orchestrator.dispatch.work import Item, Sent
from schemas.contract.device import Device, DeviceKind
from schemas.contract.folders import Folders
from schemas.contract.presence import Presence
from schemas.contract.task import Role, WindowTask
from schemas.contract.window import Window
from schemas.redis.attempt_id import AttemptId
from tests.strategies import training_settings

RUN = "r"
SETTINGS = training_settings()
VERSIONS = {"gurukul": "1"}
DATA_DIR = "/data"
NEEDS = Needs(VERSIONS, DATA_DIR)
FOLDERS, ELSEWHERE = Folders(data_dir=DATA_DIR), Folders(data_dir="/elsewhere")
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS_S = {Role.TEACHER: 10.0, Role.STUDENT: 10.0}


@lru_cache
def window_task(symbol: str, number: int, role: Role) -> WindowTask:
    """The task of a symbol's window of that number."""
    start = date(2022, 1, 1) + timedelta(days=7 * number)
    window = Window(symbol=symbol, start=start, end=start + timedelta(days=7), score_end=start + timedelta(days=14))
    return WindowTask(run_id=RUN, role=role, window=window, settings=SETTINGS, bars={"A": "0"})


def piece(symbol: str = "A", number: int = 0, role: Role = Role.TEACHER, **state: Any) -> Item:
    """A window's teacher or student, in a state."""
    return Item(window_task(symbol, number, role), **state)


def device(name: str, slots: int = 1, **state: Any) -> Presence:
    """A heartbeat of a device of the run's versions, in a state."""
    state = {"versions": VERSIONS, "folders": FOLDERS} | state
    return Presence(device=Device(name=name, kind=DeviceKind.CPU, slots=slots), host="h", pid=1, since=SINCE, **state)


def sent(item: Item, name: str, attempt: int = 1, **observed: float) -> Sent:
    """An attempt that was sent to a device, with observed seconds."""
    return Sent(item, name, attempt, str(AttemptId(RUN, *item.key, attempt)), **observed)


def view(
    devices: Iterable[Presence], waiting: Iterable[Item] = (), again: Iterable[Item] = (), out: Sequence[Sent] = (),
    **changes: Any,
) -> View:  # fmt: skip
    """A look at `devices` while work waits and attempts are `out`."""
    backlog = Backlog()
    for item in waiting:
        backlog.add(item)
    for item in again:
        backlog.add_again(item)
    present = {each.device.name: each for each in devices}
    found = View(
        run_id=RUN, present=present, fit=fit_for(NEEDS, present), reserved={},
        waiting=backlog.waiting, again=backlog.again, holders={}, sent=out, strays=(), lapses={}, claimants={},
        limits_s=LIMITS_S, usual_s=None, allotted=None, now_s=100.0, looked=True,
    )  # fmt: skip
    return replace(found, **changes)


def sends(of: View) -> list[tuple[Item, str]]:
    """Names and devices of the planned sends, in order."""
    return [(action.item, action.device) for action in policy(of) if isinstance(action, Send)]
