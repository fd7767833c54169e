"""The first page."""

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.dashboard.rendering import page
from orchestrator.dashboard.stream import SharedParts


def show(request: Request) -> Response:
    """What waits for a decision or a remedy, the fleet, and all runs."""
    return page(request, "home", parts=_parts(request).fresh())


async def stream(request: Request) -> Response:
    """The parts of the page as they change."""
    return _parts(request).streamed()


def _parts(request: Request) -> SharedParts:
    found: SharedParts = request.app.state.home
    return found
