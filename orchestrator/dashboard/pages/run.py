"""Pages of one run: Progress, Results, Report, Logs, Trials, and one of its windows."""

import mimetypes
from contextlib import closing
from datetime import datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from orchestrator.audit.frame import POLICY, SANDBOX
from orchestrator.audit.judgement import judgement
from orchestrator.dashboard import progress as drawing
from orchestrator.dashboard import windows
from orchestrator.dashboard.home import address
from orchestrator.dashboard.judged import audit_of
from orchestrator.dashboard.rendering import page
from orchestrator.dashboard.results import CRITERIA, TRADING, result_tables
from orchestrator.dashboard.runs import LONG_AGO, Run, listed, read_run
from orchestrator.dashboard.settings import Settings
from orchestrator.dashboard.stream import streamed
from orchestrator.dashboard.trials import trial_facts
from orchestrator.dashboard.watched import Watched, watched
from orchestrator.ledger.ledger import Ledger
from schemas.contract.command_line import command_line
from schemas.contract.errors import GurukulError, RunNotFoundError
from schemas.contract.identifiers import check_run_id
from schemas.contract.task import Role
from schemas.files.layout import RunLayout

MOST_LOG_LINES = 1000
REPORT_POLICY = f"{POLICY}; frame-ancestors 'self'; sandbox {SANDBOX}"


def progress(request: Request) -> Response:
    """The state of the run, live or after its end; a study has a page of its own."""
    run = run_of(request)
    if run.study is not None:
        return RedirectResponse(address(run))
    try:
        followed = _watched(request, run)
    except RunNotFoundError:
        raise
    except GurukulError as error:  # started without telemetry
        return run_page(request, run, "progress", trouble=f"{error}.", parts=None, grid=None, is_over=True)
    parts = drawing.parts(followed)
    grid = drawing.grid_data(followed, parts)
    return run_page(request, run, "progress", trouble="", parts=parts, grid=grid, is_over=drawing.is_over(followed))


def stream(request: Request) -> Response:
    """The parts of the page Progress as they change."""
    followed = _watched(request, run_of(request))
    return streamed(lambda: drawing.parts(followed), lambda: drawing.is_over(followed), drawing.EVERY_S)


def window(request: Request) -> Response:
    """All facts of one window, and its log lines."""
    run = run_of(request)
    followed = _watched(request, run)
    symbol, start = request.path_params["symbol"], request.path_params["start"]
    with followed.lock:
        followed.refresh()
        known = followed.state.symbols.get(symbol)
        cell = known.cells.get(start) if known is not None else None
        if cell is None:
            raise HTTPException(404, f"Run {run.run_id} has no window of {symbol} that begins on {start}.")
        facts, messages, devices = windows.facts(cell), windows.messages(cell), list(followed.state.devices)
    files, _ = windows.log_files(_here(request), followed.layout, run.run_id, devices)
    return run_page(
        request, run, "window", cell=cell, facts=facts, messages=messages,
        lines=windows.log_lines(files, [cell.label, run.run_id], windows.SHOWN_LINES),
        commands=windows.commands(run.layout, cell) if run.condition is not None else [],
        artifacts=windows.artifacts(run.layout, cell.label),
    )  # fmt: skip


def results(request: Request) -> Response:
    """The conclusion of the run, and the numbers behind it."""
    run = run_of(request)
    verify = command_line("verify", run.run_id, data_dir=run.layout.data_dir)
    try:
        found = judgement(run.layout)
    except GurukulError as error:
        fault = f"The judgement cannot be read: {error}. `{verify}` lists all that is wrong."
        return run_page(request, run, "results", found=None, fault=fault, tables=None)
    fault = ""
    if found is not None and run.recommendation not in (None, found.conclusion.recommendation):
        fault = (
            f"The ledger has {run.recommendation}, statistics.json gives {found.conclusion.recommendation}: one was"
            f" changed. `{verify}` shows the details."
        )
    others = [each.run_id for each in listed(_here(request).data_dir)[0] if each.layout.statistics.is_file()]
    return run_page(
        request, run, "results", found=found, fault=fault, tables=result_tables(found) if found is not None else None,
        criteria=CRITERIA, trading_headings=TRADING,
        others=[each for each in others if each != run.run_id],
    )  # fmt: skip


def report(request: Request) -> Response:
    """The report of the audit bundle, as it is."""
    run = run_of(request)
    folder = audit_of(run, _here(request).release_dir) if run.condition is not None else None
    has_report = folder is not None and (folder / "report.html").is_file()
    return run_page(request, run, "report", folder=folder, has_report=has_report)


def audit_file(request: Request) -> Response:
    """A file of the run's audit bundle; nothing outside it."""
    run = run_of(request)
    folder, asked = audit_of(run, _here(request).release_dir).resolve(), request.path_params["path"]
    path = (folder / asked).resolve() if "\0" not in asked else folder
    if not path.is_relative_to(folder) or not path.is_file():
        raise HTTPException(404)
    kind = mimetypes.guess_type(path.name)[0] or "text/plain"
    if kind != "text/html" and not kind.startswith("image/"):
        kind = "application/json" if path.suffix == ".json" else "text/plain"
    return FileResponse(path, media_type=kind, headers={"content-security-policy": REPORT_POLICY})


def logs(request: Request) -> Response:
    """The lines of the run's logs that hold given words."""
    run = run_of(request)
    asked, text = request.query_params.get("window", ""), request.query_params.get("text", "")
    devices, labels = _devices_and_labels(request, run)
    layout = None if run.condition is None else run.layout
    files, missing = windows.log_files(_here(request), layout, run.run_id, devices)
    lines = windows.log_lines(files, [run.run_id, asked, text], MOST_LOG_LINES)
    return run_page(
        request, run, "logs", lines=lines, files=files, missing=missing, window=asked, text=text, most=MOST_LOG_LINES,
        labels=labels,
    )  # fmt: skip


def _devices_and_labels(request: Request, run: Run) -> tuple[list[str], list[str]]:
    """The run's devices and windows: by its events, or by its ledger if it was started without telemetry."""
    try:
        followed = _watched(request, run)
    except RunNotFoundError:
        raise
    except GurukulError:
        with closing(Ledger(run.layout.ledger, read_only=True)) as ledger:
            return ledger.devices(), [record.name for record in ledger.records(Role.STUDENT)]
    with followed.lock:
        return list(followed.state.devices), sorted(followed.state.cells)


def trials(request: Request) -> Response:
    """The configurations that count against the run's result."""
    run = run_of(request)
    return run_page(request, run, "trials", **trial_facts(run))


def run_of(request: Request) -> Run:
    """The run of the address; RunNotFoundError if neither the data folder nor the broker has it."""
    here = _here(request)
    try:
        run_id = check_run_id(request.path_params["run_id"])
    except ValueError as error:
        raise HTTPException(404, f"This address is of no run: {error}.") from None
    layout = RunLayout.under(here.data_dir, run_id)
    if layout.manifest.is_file():
        return read_run(layout)
    run = Run(run_id, LONG_AGO, None, layout)
    _watched(request, run)
    return run


def _watched(request: Request, run: Run) -> Watched:
    here = _here(request)
    return watched(run.run_id, run.created.isoformat(), here.data_dir, here.broker)


def _here(request: Request) -> Settings:
    here: Settings = request.app.state.here
    return here


def run_page(request: Request, run: Run, tab: str, **facts: Any) -> Response:
    """A page of the run, below its name and its tabs."""
    created = None if run.created == LONG_AGO else run.created
    assert created is None or isinstance(created, datetime)
    return page(request, tab, run=run, tab=tab, created=created, **facts)
