"""`orchestrator flower`: Flower on this project's fleet, with a login, read-only, on loopback."""

import importlib.util
import os
import secrets
import socket
import sys
from typing import Annotated

import typer

from orchestrator.cli.fleet import Broker, answering
from orchestrator.cli.options import fail
from schemas.contract.errors import GurukulError, RequestError
from schemas.contract.identifiers import redact

LOGIN_ENV = "FLOWER_BASIC_AUTH"
# As environment, which Flower reads: a command line is for everyone on the host to read. A variable that is set wins.
SETTINGS = {
    "FLOWER_READ_ONLY": "true",
    # Flower's own 100,000 keep gigabytes.
    "FLOWER_MAX_TASKS": "10000",
    "FLOWER_PURGE_OFFLINE_WORKERS": "60",
    # Seconds, from the quickest window to one that a limit should have ended.
    "FLOWER_TASK_RUNTIME_METRIC_BUCKETS": "0.1,0.25,0.5,1,2.5,5,10,30,60,120,300,600",
}


def flower(
    broker: Broker = None,
    port: Annotated[int, typer.Option(help="Port to listen on.", envvar="FLOWER_PORT", min=1, max=65535)] = 5555,
    address: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is every network.", envvar="FLOWER_ADDRESS")
    ] = "127.0.0.1",
) -> None:
    """Start Flower: workers by device, tasks by symbol and window; search tasks for kwargs:symbol=AAPL.

    A state there is a task's: a window that failed ends as a task that succeeded in saying so. Outcomes are in
    `orchestrator status` and `orchestrator metrics`.

    The login is FLOWER_BASIC_AUTH=USER:PASSWORD; without it one is made up and printed. Needs the extra [flower].

    \b
    Example:
      orchestrator flower --broker redis://127.0.0.1:6379/0
    """
    try:
        if importlib.util.find_spec("flower") is None:
            raise RequestError("Flower is not installed here; install the extra: pip install 'gurukul[flower]'")
        login = _login()
        url = answering(broker)
        _refuse_taken(address, port)
    except GurukulError as error:
        raise fail(error) from None
    if LOGIN_ENV not in os.environ:
        typer.echo(f"{LOGIN_ENV} is not set; this time the login is {login}")
    typer.echo(f"Flower of {redact(url)} is at http://{address}:{port}/")
    sys.stdout.flush()
    mine = {
        "CELERY_BROKER_URL": url,
        "FLOWER_ADDRESS": address,
        "FLOWER_PORT": str(port),
        LOGIN_ENV: login,
    }
    secret = {"FLOWER_COOKIE_SECRET": secrets.token_hex(32)}
    # No -A: Flower needs no code of the workers. Every 5 s it asks them for events; without it they send none.
    os.execve(sys.executable, [sys.executable, "-m", "celery", "flower"], SETTINGS | secret | dict(os.environ) | mine)


def _login() -> str:
    """USER:PASSWORD from the environment or made up; RequestError if what is set is no login."""
    if LOGIN_ENV not in os.environ:
        return f"gurukul:{secrets.token_urlsafe(12)}"
    login = os.environ[LOGIN_ENV]
    if not all(user and password for user, _, password in (each.partition(":") for each in login.split(","))):
        raise RequestError(f"{LOGIN_ENV} is no USER:PASSWORD; set it so, without commas in the password")
    return login


def _refuse_taken(address: str, port: int) -> None:
    """RequestError if nothing can listen there; Flower would end with a traceback."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        raise RequestError(f"nothing can listen on {address}:{port} ({error.strerror}); give another --port") from None
