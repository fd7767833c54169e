"""Run picker, shared by all pages; the choice is kept in the address, so that a reload or a link shows the same run."""

import streamlit as st

from orchestrator.dashboard.markup import plain
from orchestrator.dashboard.runs import ELSEWHERE, Run, listed, runs_on_broker
from orchestrator.dashboard.settings import Settings
from schemas.contract.errors import RunNotFoundError

IN_ADDRESS, CHOSEN, WIDGET = "run", "chosen_run", "run_picker"
PICKER_PX = 560


def picked_run(title: str, here: Settings, *, elsewhere: bool = False) -> Run | None:
    """Draw a page's title and the picker; return the picked run, or None after showing why there is none.

    `elsewhere` adds runs that only the broker knows.
    """
    st.title(title)
    runs, damaged = listed(here.data_dir)
    runs += runs_on_broker(here.data_dir, here.broker) if elsewhere else []
    if runs:
        by_id = {run.run_id: run for run in runs}
        wanted = st.query_params.get(IN_ADDRESS) or st.session_state.get(CHOSEN)
        chosen = wanted if wanted in by_id else runs[0].run_id
        _keep(chosen)
        st.session_state[WIDGET] = chosen
        st.selectbox(
            "Run", list(by_id), key=WIDGET, width=PICKER_PX, on_change=_changed,
            format_func=lambda run_id: described(by_id[run_id]),
        )  # fmt: skip
        if wanted is not None and wanted != chosen:
            st.warning(f"{plain(str(RunNotFoundError(wanted, here.data_dir)))}. This page shows the newest run.")
    for each in damaged:
        st.caption(f"Not shown: **{plain(each.name)}**: {plain(each.why)}")
    if not runs:
        st.info(f"There are no runs under {plain(here.data_dir)}/models yet. This trains one on the sample:")
        st.code("orchestrator run --source sample", language=None)
        return None
    return by_id[chosen]


def described(run: Run) -> str:
    """Describe a run in one line of the picker."""
    if run.status is None:
        return f"{run.run_id}  ·  {ELSEWHERE}"
    return f"{run.run_id}  ·  {run.recommendation or run.status}  ·  {run.created.astimezone():%Y-%m-%d %H:%M}"


def _changed() -> None:
    _keep(st.session_state[WIDGET])


def _keep(run_id: str) -> None:
    """Remember the run across pages, and in the address."""
    st.session_state[CHOSEN] = run_id
    if st.query_params.get(IN_ADDRESS) != run_id:
        st.query_params[IN_ADDRESS] = run_id
