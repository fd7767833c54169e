"""`orchestrator metrics`: the endpoint that Prometheus scrapes."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import DataDir, FleetBroker
from schemas.contract.errors import RequestError

BROKER_TIMEOUT_S = 2.0
TOKEN_FILE_ENV = "GURUKUL_METRICS_TOKEN_FILE"


def metrics(
    broker: FleetBroker = None,
    data_dir: DataDir = "data",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any.", min=0, max=65535)] = 9464,
    address: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every network.")] = "127.0.0.1",
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with a token that each request must give as `Bearer`; chmod 600.", envvar=TOKEN_FILE_ENV
        ),
    ] = None,
) -> None:
    """Serve metrics of runs and devices to Prometheus.

    Covers runs that go on or ended within the last day and, with --broker, devices. It changes nothing. It listens on
    loopback unless --address is given; beyond it give --token-file, or anyone who reaches the port reads all.

    \b
    Example:
      orchestrator metrics --broker redis://127.0.0.1:6379/0
    """
    from prometheus_client import CollectorRegistry, start_http_server

    from orchestrator.exporter.bearer import guarded
    from orchestrator.exporter.metrics import GurukulCollector
    from schemas.redis.client import connect
    from schemas.redis.private_file import read_private

    if not Path(data_dir).is_dir():
        raise RequestError(f"there is no folder {data_dir}; give --data-dir")
    token = None if token_file is None else read_private(token_file, "token file", TOKEN_FILE_ENV)
    if token == "":
        raise RequestError(f"token file {token_file} is empty; write one: openssl rand -hex 32")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    redis = connect(broker, timeout_s=BROKER_TIMEOUT_S) if broker is not None else None
    registry = CollectorRegistry(auto_describe=False)
    try:
        server, thread = start_http_server(port, address, registry)
    except OSError as error:
        raise RequestError(f"cannot listen on {address}:{port} ({error.strerror}); give another --port") from None
    if token is not None and (app := server.get_app()) is not None:
        server.set_app(guarded(app, token))
    # Not before the guard stands.
    registry.register(GurukulCollector(data_dir, redis))
    typer.echo(f"metrics are at http://{address}:{server.server_port}/metrics")
    stop.wait()
    server.shutdown()
    server.server_close()
    thread.join()
