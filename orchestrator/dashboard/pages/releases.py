"""Page Releases: the live releases, the runs that wait for a decision, and all decisions. It changes nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.audit import next_step
from orchestrator.dashboard.home import address
from orchestrator.dashboard.rendering import Cell, code, link, listed, mark, page, when
from orchestrator.dashboard.runs import Run
from orchestrator.dashboard.runs import listed as listed_runs
from orchestrator.dashboard.settings import Settings
from orchestrator.releases import release_stack
from orchestrator.releases.history import Line, read
from orchestrator.releases.overview import overview
from schemas.config.release import ReleaseConfig
from schemas.contract.errors import GurukulError
from schemas.contract.judgement import Recommendation
from schemas.contract.release import ENVIRONMENTS, PRODUCTION, STAGING, Action, Entry
from schemas.contract.run import RunStatus
from schemas.files.layout import ReleaseLayout

INTENTS = (Action.DEPLOYING.value, Action.ROLLING_BACK.value)
DECISIONS = (Action.APPROVED.value, Action.REJECTED.value)
SHOWN_DIGITS = 12


def show(request: Request) -> Response:
    """What is live, what waits for a decision, who decided what."""
    here: Settings = request.app.state.here
    try:
        found = overview(here.release_dir, None)
    except OSError as error:
        raise GurukulError(f"{here.release_dir} cannot be read: {error}") from None
    shown = [entry for entry in reversed(found["entries"]) if entry["action"] not in INTENTS]
    whole = found["head"] and not found["faults"]
    return page(
        request,
        "releases",
        faults=found["faults"],
        notes=found["notes"],
        live=[(environment, found["live"].get(environment)) for environment in ENVIRONMENTS],
        candidates=_candidates(here, found["live"]),
        decisions=[_decision_row(entry) for entry in reversed(found["entries"]) if entry["action"] in DECISIONS],
        history=[_history_row(entry) for entry in shown],
        head=found["head"][:SHOWN_DIGITS] if whole else "",
        data_dir=here.data_dir,
    )


def _candidates(here: Settings, live: dict[str, Any]) -> list[tuple[Cell, ...]]:
    """A row per finished run: recommendation, decision, where it is live, the next command."""
    lines, _ = read(ReleaseLayout(Path(here.release_dir)).history)
    rows: list[tuple[Cell, ...]] = []
    for run in listed_runs(here.data_dir)[0]:
        if run.status is not RunStatus.READY or run.study is not None:
            continue
        decided = release_stack.decision(lines, run.run_id)
        entry = decided.entry if decided else None
        where = _where(lines, live, run.run_id)
        name = link(f"{address(run)}/results", run.run_id)
        rows.append(
            (
                name,
                mark(run.recommendation or "none"),
                _decided(entry),
                ", ".join(where),
                _next(here, run, entry, where, lines),
            )
        )
    return rows


def _where(lines: list[Line], live: dict[str, Any], run_id: str) -> list[str]:
    """The environments that a run's students serve."""
    mine = {line.entry.release_id for line in lines if line.entry.run_id == run_id}
    return [environment for environment, now in live.items() if now["release_id"] in mine]


def _decided(entry: Entry | None) -> Cell:
    if entry is None:
        return mark("waits for a decision")
    return listed(
        [mark(entry.action.value), Markup('by {}, <span class="whole">{}</span>').format(entry.who, when(entry.time))]
    )


def _next(here: Settings, run: Run, decided: Entry | None, where: list[str], lines: list[Line]) -> Cell:
    """The next command, which the user types in a terminal, and from when on it is not refused.

    None for a run that more bars may decide.
    """
    config = ReleaseConfig(data_dir=here.data_dir, release_dir=here.release_dir)
    if decided is not None and decided.action is Action.REJECTED:
        return None
    if decided is not None:
        missing = [environment for environment in ENVIRONMENTS if environment not in where]
        if not missing:
            return None
        command = code(next_step.deploy(run.run_id, config, missing[0]))
        if missing[0] != PRODUCTION:
            return command
        stay, wait = release_stack.stays(lines, STAGING)[-1], timedelta(hours=config.min_staging_hours)
        if release_stack.longest_stay(lines, STAGING, stay.release_id, datetime.now(UTC)) >= wait:
            return command
        return Markup('{} from <span class="whole">{}</span> on').format(command, when(stay.since + wait))
    if run.recommendation == Recommendation.PROMOTE:
        return code(next_step.approve(run.run_id, config))
    return code(next_step.reject(run.run_id, config)) if run.recommendation == Recommendation.REJECT else None


def _decision_row(entry: dict[str, Any]) -> tuple[Cell, ...]:
    return (
        entry["run_id"], mark(entry["action"]), entry["who"], when(entry["time"]),
        mark(entry["recommendation"]) if entry["recommendation"] else None, _note(entry),
        ", ".join(entry["symbols"]) or "all",
    )  # fmt: skip


def _history_row(entry: dict[str, Any]) -> tuple[Cell, ...]:
    return (
        entry["release_id"] or entry["run_id"], mark(entry["action"]), entry["environment"], _by(entry),
        when(entry["time"]), _note(entry), str(entry["seq"]),
    )  # fmt: skip


def _by(entry: dict[str, Any]) -> str:
    """The given name, and the account if it differs."""
    return entry["who"] if entry["who"] == entry["account"] else f"{entry['who']} (account {entry['account']})"


def _note(entry: dict[str, Any]) -> str:
    override = f"override: {entry['override']}" if entry["override"] else ""
    return "; ".join(part for part in (override, entry["note"]) if part)
