"""Page of a study: what it found, its trials, and the frame that draws their chart."""

import sqlite3
from functools import lru_cache

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.audit.templates import within_script
from orchestrator.dashboard import study
from orchestrator.dashboard.pages.run import REPORT_POLICY, run_of, run_page
from orchestrator.dashboard.rendering import page, style
from orchestrator.dashboard.runs import Run, read_run
from orchestrator.dashboard.stream import streamed
from orchestrator.dashboard.study_chart import finding, specification
from orchestrator.runs.worker_process import ask
from orchestrator.tuning.study_view import read_study
from schemas.contract.errors import GurukulError
from schemas.contract.requests import ChartLibrary, ChartLibraryQuestion

EVERY_S = 2.0
LIBRARY_LIMIT_S = 60.0


def show(request: Request) -> Response:
    """The state of the study, live or after its end."""
    run = _study_of(request)
    return run_page(request, run, "study", parts=study.parts(run), is_over=not run.is_active)


def stream(request: Request) -> Response:
    """The parts of the page as they change."""
    layout = _study_of(request).layout
    return streamed(lambda: study.parts(read_run(layout)), lambda: not read_run(layout).is_active, EVERY_S)


def chart(request: Request) -> Response:
    """The frame with the chart; it has its scripts within, as the report has."""
    run = _study_of(request)
    drawing, fault, words = None, "", ""
    try:
        view = read_study(run.layout)
        drawing, words = specification(view), finding(view)
        library = _library()
    except (GurukulError, sqlite3.Error) as error:
        drawing, library, fault = None, "", f"The chart cannot be drawn: {error}. The table has its numbers."
    found = page(
        request, "study_chart", run=run, fault=fault, finding=words, charts={"trials": drawing},
        library=within_script(library), style=Markup(style()),
    )  # fmt: skip
    found.headers["content-security-policy"] = REPORT_POLICY
    return found


def _study_of(request: Request) -> Run:
    run = run_of(request)
    if run.study is None:
        raise HTTPException(404, f"Run {run.run_id} is no study.")
    return run


@lru_cache
def _library() -> str:
    """The library that draws charts, asked for once per server. RequestError where workers are not installed."""
    return ask("chart-library", ChartLibraryQuestion(), ChartLibrary, limit_s=LIBRARY_LIMIT_S).script
