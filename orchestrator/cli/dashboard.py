"""`orchestrator dashboard`: becomes the process that serves the pages."""

import importlib.util
import ipaddress
import os
import socket
import sys
from contextlib import closing
from typing import Annotated

import typer

from orchestrator.cli.options import fail
from orchestrator.dashboard.settings import BROKER, DATA_DIR, PASSWORD, RELEASE_DIR, Settings
from orchestrator.dashboard.theme import ENTRY
from schemas.contract.errors import RequestError

OWN_NAMES = ("localhost", "127.0.0.1", "::1")


def dashboard(
    data_dir: Annotated[str, typer.Option(help="Folder of bars, models and telemetry.", envvar=DATA_DIR)] = "data",
    release_dir: Annotated[
        str, typer.Option(help="Folder of audit bundles and releases.", envvar=RELEASE_DIR)
    ] = "release",
    broker: Annotated[
        str | None, typer.Option(help="Where running runs tell of themselves; none: their files.", envvar=BROKER)
    ] = None,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8501,
) -> None:
    """Serve runs, results and releases to a browser; changes nothing. Ends with Ctrl-C.

    The variable GURUKUL_DASHBOARD_PASSWORD, if set, is asked for before anything is shown. Beyond this machine
    nothing is served without it. The password crosses the network as it is: put TLS before it, or tunnel.

    \b
    Example:
      orchestrator dashboard --broker redis://127.0.0.1:6379/0
      ssh -L 8501:127.0.0.1:8501 HOST    # then look from elsewhere
    """
    settings = Settings(data_dir, release_dir, broker, os.environ.get(PASSWORD) or None)
    try:
        _refuse(settings, address, port)
    except RequestError as error:
        raise fail(error) from None
    host = f"[{address}]" if ":" in address else address
    typer.echo(f"dashboard: http://{host}:{port}")
    sys.stdout.flush()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STREAMLIT_")}
    inherited.pop(PASSWORD, None)
    environment = inherited | _server(address, port, settings.password) | settings.environment()
    os.execve(sys.executable, [sys.executable, "-m", "streamlit", "run", str(ENTRY)], environment)


def is_loopback(address: str) -> bool:
    """Whether only programs of this machine reach `address`."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _refuse(settings: Settings, address: str, port: int) -> None:
    """RequestError where the pages would be open to strangers, or cannot be served."""
    if settings.password is None and not is_loopback(address):
        raise RequestError(
            f"--address {address} shows every run to whoever reaches it; set {PASSWORD}, or listen on 127.0.0.1"
        )
    if importlib.util.find_spec("streamlit") is None:
        raise RequestError("the dashboard needs Streamlit; run: pip install 'gurukul[dashboard]'")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise RequestError(f"cannot listen on {address} port {port} ({error.strerror}); give --port") from None


def _server(address: str, port: int, password: str | None) -> dict[str, str]:
    """Variables that say where Streamlit listens; the rest of its settings lie beside the entry."""
    found = {"STREAMLIT_SERVER_ADDRESS": address, "STREAMLIT_SERVER_PORT": str(port)}
    if password is None:
        # A page of somebody else's, whose name resolves to 127.0.0.1, must not read this one.
        found["STREAMLIT_SERVER_ALLOWED_HOSTS"] = " ".join(dict.fromkeys([*OWN_NAMES, address]))
    return found
