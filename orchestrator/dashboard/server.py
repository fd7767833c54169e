"""Serves the application until a signal ends it."""

import uvicorn

from orchestrator.dashboard.application import application
from orchestrator.dashboard.settings import Settings

# Streams of open pages never end by themselves.
GRACE_S = 1


def serve(here: Settings, address: str, port: int) -> None:
    """Serve the dashboard of these folders; returns after SIGINT or SIGTERM."""
    uvicorn.run(
        application(here, address), host=address, port=port, log_level="warning", access_log=False,
        timeout_graceful_shutdown=GRACE_S,
    )  # fmt: skip
