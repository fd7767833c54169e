"""`orchestrator dashboard`: starts the Streamlit server of the pages."""

import importlib.util
import ipaddress
import os
import sys
from typing import Annotated

import typer

from orchestrator.cli.checks import free_port
from orchestrator.dashboard.settings import BROKER, DATA_DIR, PASSWORD, RELEASE_DIR, Settings
from orchestrator.dashboard.theme import ENTRY
from schemas.config.folders import beside_data
from schemas.contract.child_process import module_command, safe_environment
from schemas.contract.errors import RequestError

OWN_NAMES = ("localhost", "127.0.0.1", "::1")


def dashboard(
    data_dir: Annotated[str, typer.Option(help="Folder of bars, models and telemetry.", envvar=DATA_DIR)] = "data",
    release_dir: Annotated[
        str | None,
        typer.Option(
            help="Folder of audit bundles and releases; if omitted: release, beside DATA_DIR.", envvar=RELEASE_DIR
        ),
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(help="Broker of running runs; if omitted: their files are read.", envvar=BROKER),
    ] = None,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8501,
) -> None:
    """Serve runs, results and releases to a browser.

    It changes nothing, and ends with Ctrl-C. With GURUKUL_DASHBOARD_PASSWORD set, every page asks for that password;
    without it the dashboard listens on loopback only. The password is sent unencrypted: use TLS or a tunnel.

    \b
    Examples:
      orchestrator dashboard --broker redis://127.0.0.1:6379/0
      ssh -L 8501:127.0.0.1:8501 HOST    # to see HOST's dashboard
    """
    settings = Settings(
        data_dir,
        release_dir or beside_data("release")({"data_dir": data_dir}),
        broker,
        os.environ.get(PASSWORD) or None,
    )
    _refuse(settings, address, port)
    host = f"[{address}]" if ":" in address else address
    typer.echo(f"dashboard: http://{host}:{port}")
    sys.stdout.flush()
    inherited = {name: value for name, value in safe_environment().items() if not name.startswith("STREAMLIT_")}
    inherited.pop(PASSWORD, None)
    environment = inherited | _server(address, port, settings.password) | settings.environment()
    command = module_command("streamlit", "run", str(ENTRY))
    os.execve(command[0], command, environment)


def is_loopback(address: str) -> bool:
    """Whether only programs on this machine can connect to `address`."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _refuse(settings: Settings, address: str, port: int) -> None:
    """Raise RequestError if the pages would be public without a password, or cannot be served."""
    if settings.password is None and not is_loopback(address):
        raise RequestError(
            f"--address {address} shows every run to every machine; set {PASSWORD}, or listen on 127.0.0.1"
        )
    if importlib.util.find_spec("streamlit") is None:
        raise RequestError("the dashboard needs Streamlit; run: pip install 'gurukul[dashboard]'")
    free_port(address, port)


def _server(address: str, port: int, password: str | None) -> dict[str, str]:
    """Environment variables for Streamlit; the rest of its settings is in files beside the entry."""
    found = {"STREAMLIT_SERVER_ADDRESS": address, "STREAMLIT_SERVER_PORT": str(port)}
    if password is None:
        # A foreign page whose host name resolves to 127.0.0.1 must not read this one.
        found["STREAMLIT_SERVER_ALLOWED_HOSTS"] = " ".join(dict.fromkeys([*OWN_NAMES, address]))
    return found
