"""Page Fleet."""

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.dashboard.rendering import page
from orchestrator.dashboard.settings import Settings
from orchestrator.dashboard.stream import SharedParts


def show(request: Request) -> Response:
    """The devices that report to the broker."""
    here: Settings = request.app.state.here
    return page(request, "fleet", broker=here.broker, parts=_parts(request).fresh())


async def stream(request: Request) -> Response:
    """The page's part as it changes."""
    return _parts(request).streamed()


def _parts(request: Request) -> SharedParts:
    found: SharedParts = request.app.state.fleet
    return found
