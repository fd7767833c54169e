"""`orchestrator flower`: Flower for the fleet, with a login, read-only, on loopback."""

import importlib.util
import os
import secrets
import sys
from typing import Annotated

import typer

from orchestrator.broker.bearer import FLOWER_TOKEN_ENV, read_token
from orchestrator.cli import checks
from orchestrator.cli.options import FleetBroker, TokenFile
from schemas.contract.broker_address import BrokerAddress
from schemas.contract.child_process import module_command, safe_environment
from schemas.contract.errors import RequestError
from schemas.redis.client import BROKER_ENV

LOGIN_ENV = "FLOWER_BASIC_AUTH"
# Passed in the environment, as every user of the host can read a command line. A variable that is set already wins.
SETTINGS = {
    "FLOWER_READ_ONLY": "true",
    # Flower would run a flowerconfig.py of the working folder.
    "FLOWER_CONF": os.devnull,
    # Flower's default of 100,000 takes gigabytes of memory.
    "FLOWER_MAX_TASKS": "10000",
    "FLOWER_PURGE_OFFLINE_WORKERS": "60",
    # An id names run, role, window and attempt, so that Celery's name of the task is left out.
    "FLOWER_TASKS_COLUMNS": "uuid,state,result,received,runtime,worker",
    # Seconds: from the shortest window to one at its time limit.
    "FLOWER_TASK_RUNTIME_METRIC_BUCKETS": "0.1,0.25,0.5,1,2.5,5,10,30,60,120,300,600",
}


def flower(
    broker: FleetBroker = None,
    port: Annotated[int, typer.Option(help="Port to listen on.", envvar="FLOWER_PORT", min=1, max=65535)] = 5555,
    address: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is every network.", envvar="FLOWER_ADDRESS")
    ] = "127.0.0.1",
    token_file: TokenFile = None,
) -> None:
    """Start Flower, the web page of Celery's workers and tasks.

    Workers are listed by device, tasks by run, role, window and attempt. The state is the outcome's: FAILURE, SKIPPED
    or SUCCESS, with the reason. Search for state:FAILURE or kwargs:symbol=AAPL.

    The login is FLOWER_BASIC_AUTH=USER:PASSWORD; without it one is generated and printed. Beyond loopback, or with
    --token-file, /metrics asks for the login or that token. Needs the extra [flower].

    \b
    Example:
      orchestrator flower --broker redis://127.0.0.1:6379/0
    """
    if importlib.util.find_spec("flower") is None:
        raise RequestError("Flower is not installed here; install the extra: pip install 'gurukul[flower]'")
    login, token = _login(), read_token(token_file)
    url = checks.broker(broker)
    place = BrokerAddress.parse(url)
    if place.place_options():
        raise RequestError(
            "Flower needs the host and port of a server; give the URL of the primary, redis://HOST:PORT/0"
        )
    checks.free_port(address, port)
    if LOGIN_ENV not in os.environ:
        typer.echo(f"{LOGIN_ENV} is not set; the login until Flower ends is {login}")
    typer.echo(f"Flower of {place.without_secrets()} is at http://{address}:{port}/")
    sys.stdout.flush()
    mine = {
        BROKER_ENV: url,
        "FLOWER_ADDRESS": address,
        "FLOWER_PORT": str(port),
        LOGIN_ENV: login,
    }
    if token is not None or not checks.is_loopback(address):
        mine[FLOWER_TOKEN_ENV] = token or ""
    secret = {"FLOWER_COOKIE_SECRET": secrets.token_hex(32)}
    command = module_command("orchestrator.broker.flower_server")
    os.execve(command[0], command, SETTINGS | secret | safe_environment() | mine)


def _login() -> str:
    """USER:PASSWORD from the environment, or a generated one; RequestError if the variable is malformed."""
    if LOGIN_ENV not in os.environ:
        return f"gurukul:{secrets.token_urlsafe(12)}"
    login = os.environ[LOGIN_ENV]
    if not all(user and password for user, _, password in (each.partition(":") for each in login.split(","))):
        raise RequestError(
            f"{LOGIN_ENV} is not of the form USER:PASSWORD; correct it (a password must not contain a comma)"
        )
    return login
