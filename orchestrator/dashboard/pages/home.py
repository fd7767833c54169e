"""The first page."""

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.dashboard.home import EVERY_S, Home
from orchestrator.dashboard.rendering import page
from orchestrator.dashboard.stream import streamed


def show(request: Request) -> Response:
    """What needs a person, how things stand, and all runs."""
    drawn: Home = request.app.state.home
    return page(request, "home", parts=drawn.parts())


async def stream(request: Request) -> Response:
    """The parts of the page as they change."""
    drawn: Home = request.app.state.home
    return streamed(drawn.parts, lambda: False, EVERY_S)
