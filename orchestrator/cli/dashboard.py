"""`orchestrator dashboard`: serves the pages."""

import importlib.util
import os
import sys
from typing import Annotated

import typer

from orchestrator.cli.checks import free_port, is_loopback
from orchestrator.dashboard.settings import PASSWORD, Settings
from schemas.config.folders import beside_data
from schemas.contract.errors import RequestError

# What the pages are served with; together they are the extra [dashboard].
NEEDED = ("starlette", "uvicorn", "itsdangerous")
DATA_DIR, RELEASE_DIR, BROKER = "GURUKUL_DATA_DIR", "GURUKUL_RELEASE_DIR", "GURUKUL_BROKER"


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
    log_dir: Annotated[
        list[str] | None, typer.Option(help="A further folder of logs, such as a fleet's; may be given several times.")
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
        os.environ.pop(PASSWORD, None) or None,
        tuple(log_dir or ()),
    )
    _refuse(settings, address, port)
    from orchestrator.dashboard.server import serve

    host = f"[{address}]" if ":" in address else address
    typer.echo(f"dashboard: http://{host}:{port}")
    sys.stdout.flush()
    serve(settings, address, port)


def _refuse(settings: Settings, address: str, port: int) -> None:
    """Raise RequestError if the pages would be public without a password, or cannot be served."""
    if settings.password is None and not is_loopback(address):
        raise RequestError(
            f"--address {address} shows every run to every machine; set {PASSWORD}, or listen on 127.0.0.1"
        )
    if lacking := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise RequestError(f"the dashboard needs {', '.join(lacking)}; run: pip install 'gurukul[dashboard]'")
    free_port(address, port)
