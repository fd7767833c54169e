"""Page Training Progress."""

import streamlit as st

from orchestrator.dashboard.runs import Run


def show(run: Run) -> None:
    """How far a run is."""
    st.write(f"{run.status}: {run.trained} trained, {run.skipped} skipped, {run.failed} failed")
