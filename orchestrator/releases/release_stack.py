"""Reads the release log: the decision on a run, what is live in an environment, since when, and what was before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.releases.history import Line
from schemas.contract.release import Action, Entry, Environment

DECISIONS = (Action.APPROVED, Action.REJECTED)
INTENTS = {Action.DEPLOYING: Action.DEPLOYED, Action.ROLLING_BACK: Action.ROLLED_BACK}
SWITCHES = tuple(INTENTS.values())


@dataclass(frozen=True)
class Stay:
    """An unbroken period in which a release was live; `until` is None if it still is."""

    release_id: str
    since: datetime
    until: datetime | None


def decision(lines: Sequence[Line], run_id: str) -> Line | None:
    """The newest approval or rejection of a run."""
    found = [line for line in lines if line.entry.run_id == run_id and line.entry.action in DECISIONS]
    return found[-1] if found else None


def switches(lines: Sequence[Line], environment: Environment) -> list[Entry]:
    """The switches of an environment, oldest first."""
    return [line.entry for line in lines if line.entry.environment == environment and line.entry.action in SWITCHES]


def stack(lines: Sequence[Line], environment: Environment) -> list[str]:
    """The stack of releases, the live one last: a deployment pushes one, a rollback pops it."""
    found: list[str] = []
    for entry in switches(lines, environment):
        if entry.action is Action.DEPLOYED:
            assert entry.release_id is not None
            found.append(entry.release_id)
        else:
            found.pop()
    return found


def live(lines: Sequence[Line], environment: Environment) -> str | None:
    """The release that is live according to the log."""
    found = stack(lines, environment)
    return found[-1] if found else None


def unfinished(lines: Sequence[Line]) -> Entry | None:
    """A switch that was announced but never done or abandoned, because its process was killed; always the last line."""
    last = lines[-1].entry if lines else None
    return last if last is not None and last.action in INTENTS else None


def stays(lines: Sequence[Line], environment: Environment) -> list[Stay]:
    """Each period in which a release was live, oldest first."""
    found: list[Stay] = []
    for entry in switches(lines, environment):
        assert entry.release_id is not None
        if found:
            found[-1] = Stay(found[-1].release_id, found[-1].since, entry.time)
        found.append(Stay(entry.release_id, entry.time, None))
    return found


def longest_stay(lines: Sequence[Line], environment: Environment, release_id: str, now: datetime) -> timedelta:
    """The longest period in which a release was live, counted up to now if it still is; zero if it never was."""
    mine = [stay for stay in stays(lines, environment) if stay.release_id == release_id]
    return max(((stay.until or now) - stay.since for stay in mine), default=timedelta())
