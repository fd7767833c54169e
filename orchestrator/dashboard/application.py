"""The web application: addresses, the frame of every page, and pages for what goes wrong."""

import sqlite3
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from orchestrator.dashboard.access import HEALTH, SIGN_IN, Access, Guard, sign_out
from orchestrator.dashboard.fleet import fleet_parts
from orchestrator.dashboard.home import Home
from orchestrator.dashboard.pages import compare, fleet, home, releases, run, study
from orchestrator.dashboard.rendering import STATIC, page, style
from orchestrator.dashboard.settings import Settings
from orchestrator.dashboard.stream import SharedParts
from schemas.contract.errors import GurukulError, RequestError, RunNotFoundError

# What can be wrong with stored files, also while a page is drawn from them.
FAULTS = (GurukulError, OSError, sqlite3.Error)
# Seconds between two looks of an open page without a run.
EVERY_S = 2.0
OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")


def application(here: Settings, address: str = "127.0.0.1") -> Starlette:
    """The dashboard of these folders, served on `address`.

    Without a password only requests to this machine's own names are answered: a foreign page whose host name resolves
    to 127.0.0.1 must not read this one.
    """
    access = Access(here.password) if here.password is not None else None
    name = f"[{address}]" if ":" in address else address
    hosts = ["*"] if access is not None else [*dict.fromkeys([*OWN_NAMES, name])]
    routes = [
        Route("/", home.show),
        Route("/stream", home.stream),
        Route("/compare", compare.show),
        Route("/fleet", fleet.show),
        Route("/fleet/stream", fleet.stream),
        Route("/releases", releases.show),
        Route("/runs/{run_id}", run.progress),
        Route("/runs/{run_id}/stream", run.stream),
        Route("/runs/{run_id}/windows/{symbol}/{start}", run.window),
        Route("/runs/{run_id}/results", run.results),
        Route("/runs/{run_id}/report", run.report),
        Route("/runs/{run_id}/logs", run.logs),
        Route("/runs/{run_id}/trials", run.trials),
        Route("/runs/{run_id}/study", study.show),
        Route("/runs/{run_id}/study/stream", study.stream),
        Route("/runs/{run_id}/study/chart", study.chart),
        Route("/runs/{run_id}/audit/{path:path}", run.audit_file),
        Route(HEALTH, _health),
        Route("/static/style.css", _style),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    if access is not None:
        routes += [
            Route(SIGN_IN, access.sign_in, methods=["GET", "POST"]),
            Route("/sign-out", sign_out, methods=["POST"]),
        ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts), Middleware(Guard, access=access)],
        exception_handlers={HTTPException: _not_found, RunNotFoundError: _no_run} | dict.fromkeys(FAULTS, _fault),
    )
    app.state.here = here
    app.state.home = SharedParts(Home(here).parts, EVERY_S)
    app.state.fleet = SharedParts(lambda: fleet_parts(here.broker), EVERY_S)
    return app


async def _health(request: Request) -> Response:
    return PlainTextResponse("ok")


async def _style(request: Request) -> Response:
    return Response(style(), media_type="text/css", headers={"cache-control": "max-age=60"})


def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    is_given = error.detail != HTTPStatus.NOT_FOUND.phrase
    sentence = error.detail if is_given else f"There is no page at {request.url.path}."
    return page(request, "trouble", status=error.status_code, title="No such page", reason=sentence)


def _no_run(request: Request, error: Exception) -> Response:
    return page(request, "trouble", status=404, title="No such run", reason=f"{error}.")


def _fault(request: Request, error: Exception) -> Response:
    status = HTTPStatus.NOT_FOUND if isinstance(error, RequestError) else HTTPStatus.INTERNAL_SERVER_ERROR
    return page(request, "trouble", status=status, title="This cannot be shown", reason=f"{error}.")
