"""The dashboard's frame: three pages, shown after the password if one is set."""

import streamlit as st

from orchestrator.dashboard.markup import plain
from orchestrator.dashboard.pages import releases, results, training
from orchestrator.dashboard.password import locked
from orchestrator.dashboard.picker import picked_run
from orchestrator.dashboard.settings import settings
from orchestrator.dashboard.theme import STYLE
from orchestrator.dashboard.watched import watched
from schemas.contract.errors import GurukulError


def main() -> None:
    """Draw the requested page."""
    st.set_page_config(page_title="Gurukul", layout="wide", initial_sidebar_state="collapsed")
    st.html(STYLE)
    here = settings()
    shut = here.password is not None and locked(here.password)
    # Declared before the password is given, too, so that the requested address is kept.
    page = st.navigation(
        [
            st.Page(_training, title="Training Progress", default=True),
            st.Page(_results, title="Results", url_path="results"),
            st.Page(_releases, title="Releases", url_path="releases"),
        ],
        position="hidden" if shut else "top",
    )
    if not shut:
        page.run()


def _training() -> None:
    here = settings()
    if (run := picked_run("Training Progress", here, elsewhere=True)) is None:
        return
    try:
        training.show(watched(run.run_id, run.created.isoformat(), here.data_dir, here.broker))
    except GurukulError as error:
        st.warning(plain(str(error)))


def _results() -> None:
    if (run := picked_run("Results", settings())) is not None:
        results.show(run, settings())


def _releases() -> None:
    releases.show(settings())
