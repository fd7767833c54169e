"""Page Fleet."""

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.dashboard.fleet import fleet_facts
from orchestrator.dashboard.rendering import page, part
from orchestrator.dashboard.settings import Settings
from orchestrator.dashboard.stream import Parts, streamed
from schemas.contract.errors import GurukulError

EVERY_S = 2.0


def show(request: Request) -> Response:
    """The devices that report to the broker."""
    here: Settings = request.app.state.here
    return page(request, "fleet", broker=here.broker, parts=_parts(here))


async def stream(request: Request) -> Response:
    """The page's part as it changes."""
    here: Settings = request.app.state.here
    return streamed(lambda: _parts(here), lambda: here.broker is None, EVERY_S)


def _parts(here: Settings) -> Parts:
    if here.broker is None:
        return {"devices": part("fleet_none")}
    try:
        return {"devices": part("fleet_devices", **fleet_facts(here.broker), trouble="")}
    except GurukulError as error:
        return {"devices": part("fleet_devices", devices=[], away=[], unreadable=[], letters={}, last=[],
                                trouble=f"{error}.")}  # fmt: skip
