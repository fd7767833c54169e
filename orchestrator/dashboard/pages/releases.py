"""Page Releases: the live releases, the runs that wait for a decision, and all decisions. It changes nothing."""

from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from orchestrator.audit import next_step
from orchestrator.dashboard.markup import Cell, Markup, code, mark, plain, table
from orchestrator.dashboard.runs import Run, listed
from orchestrator.dashboard.settings import Settings
from orchestrator.releases import release_stack
from orchestrator.releases.history import Line, read
from orchestrator.releases.overview import overview
from schemas.config.release import ReleaseConfig
from schemas.contract.errors import GurukulError
from schemas.contract.release import ENVIRONMENTS, Action, Entry
from schemas.contract.run import RunStatus
from schemas.files.layout import ReleaseLayout

INTENTS = (Action.DEPLOYING.value, Action.ROLLING_BACK.value)
DECISIONS = (Action.APPROVED.value, Action.REJECTED.value)
SHOWN_DIGITS = 12


def show(here: Settings) -> None:
    """Draw the whole page."""
    st.title("Releases")
    try:
        found = overview(here.release_dir, None)
    except (GurukulError, OSError) as error:
        st.error(f"{plain(here.release_dir)} cannot be read: {plain(str(error))}")
        return
    for fault in found["faults"]:
        st.error(f"Broken: {plain(fault)}")
    for note in found["notes"]:
        st.warning(plain(note))
    st.html(_live(found["live"]))
    _candidates(here, found["live"])
    _decisions(found["entries"])
    _history(found)


def _live(live: dict[str, Any]) -> str:
    boxes = []
    for environment in ENVIRONMENTS:
        if (now := live.get(environment)) is None:
            boxes.append(f"<div><small>{environment}</small><b>nothing is live</b></div>")
            continue
        boxes.append(
            f"<div><small>{environment}</small><b>{escape(now['release_id'])}</b>"
            f"<small>since {_when(now['since'])} · {escape(now['signature'])}</small></div>"
        )
    return f'<div class="g-live">{"".join(boxes)}</div>'


def _candidates(here: Settings, live: dict[str, Any]) -> None:
    st.subheader("Candidates")
    lines, _ = read(ReleaseLayout(Path(here.release_dir)).history)
    finished = [run for run in listed(here.data_dir)[0] if run.status is RunStatus.READY]
    if not finished:
        st.info(f"No run under {plain(here.data_dir)}/models has come to its end, so there is nothing to approve.")
        return
    rows = []
    for run in finished:
        decided = release_stack.decision(lines, run.run_id)
        word = mark(run.recommendation or "none")
        where = _where(lines, live, run.run_id)
        entry = decided.entry if decided else None
        rows.append((run.run_id, word, _decided(entry), ", ".join(where), _next(here, run, entry, where)))
    headings = ("run", "recommendation", "decision", "live in", "next")
    st.html(table(headings, rows, words=headings))


def _where(lines: list[Line], live: dict[str, Any], run_id: str) -> list[str]:
    """The environments that a run's students serve."""
    mine = {line.entry.release_id for line in lines if line.entry.run_id == run_id}
    return [environment for environment, now in live.items() if now["release_id"] in mine]


def _decided(entry: Entry | None) -> Cell:
    if entry is None:
        return mark("waits for a decision")
    return Markup(f"<span>{mark(entry.action.value)} by {escape(entry.who)}, {_when(entry.time.isoformat())}</span>")


def _next(here: Settings, run: Run, decided: Entry | None, where: list[str]) -> Cell:
    """The next command; the user types it in a terminal."""
    config = ReleaseConfig(data_dir=here.data_dir, release_dir=here.release_dir)
    if decided is not None and decided.action is Action.REJECTED:
        return None
    if decided is not None:
        missing = [environment for environment in ENVIRONMENTS if environment not in where]
        return code(next_step.deploy(run.run_id, config, missing[0])) if missing else None
    return code(next_step.approve(run.run_id, config, run.recommendation))


def _decisions(entries: list[dict[str, Any]]) -> None:
    st.subheader("Approvals and rejections")
    decisions = [entry for entry in reversed(entries) if entry["action"] in DECISIONS]
    if not decisions:
        st.write("No run has been approved or rejected yet.")
        return
    rows = [
        (
            entry["run_id"], mark(entry["action"]), entry["who"], _when(entry["time"]),
            mark(entry["recommendation"]) if entry["recommendation"] else None, _decision(entry),
            ", ".join(entry["symbols"]) or "all",
        )
        for entry in decisions
    ]  # fmt: skip
    headings = ("run", "decision", "by", "when (UTC)", "recommendation", "note", "symbols")
    st.html(table(headings, rows, words=headings))


def _history(found: dict[str, Any]) -> None:
    st.subheader("History")
    shown = [entry for entry in reversed(found["entries"]) if entry["action"] not in INTENTS]
    if not shown:
        st.write("Nothing was ever approved, rejected or released here. From a finished run to a live release:")
        st.code(
            "orchestrator approve RUN_ID --by NAME\norchestrator deploy RUN_ID --to staging\norchestrator releases",
            language=None,
        )
        return
    rows = [
        (
            entry["release_id"] or entry["run_id"], mark(entry["action"]), entry["environment"], _by(entry),
            _when(entry["time"]), _decision(entry), str(entry["seq"]),
        )
        for entry in shown
    ]  # fmt: skip
    headings = ("release or run", "what", "where", "by", "when (UTC)", "note", "line")
    st.html(table(headings, rows, words=headings[:-1]))
    if found["head"] and not found["faults"]:
        st.caption(f"The log is whole; its head is {found['head'][:SHOWN_DIGITS]}.")


def _by(entry: dict[str, Any]) -> str:
    """The given name, and the account if it differs."""
    return entry["who"] if entry["who"] == entry["account"] else f"{entry['who']} (account {entry['account']})"


def _decision(entry: dict[str, Any]) -> str:
    override = f"override: {entry['override']}" if entry["override"] else ""
    return "; ".join(part for part in (override, entry["note"]) if part)


def _when(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M}"
