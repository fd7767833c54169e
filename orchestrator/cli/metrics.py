"""`orchestrator metrics`: the endpoint that Prometheus scrapes."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.checks import is_loopback
from orchestrator.cli.options import DataDir, FleetBroker, TokenFile
from schemas.contract.errors import RequestError

BROKER_TIMEOUT_S = 2.0


def metrics(
    broker: FleetBroker = None,
    data_dir: DataDir = "data",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any.", min=0, max=65535)] = 9464,
    address: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every network.")] = "127.0.0.1",
    token_file: TokenFile = None,
) -> None:
    """Serve metrics of runs and devices to Prometheus.

    Covers runs that go on or ended within the last day and, with --broker, devices. It changes nothing. It listens on
    loopback unless --address is given; beyond loopback it needs --token-file.

    \b
    Example:
      orchestrator metrics --broker redis://127.0.0.1:6379/0
    """
    from prometheus_client import CollectorRegistry, start_http_server

    from orchestrator.broker.bearer import guarded, read_token
    from orchestrator.exporter.metrics import GurukulCollector
    from schemas.redis.client import connect

    if not Path(data_dir).is_dir():
        raise RequestError(f"there is no folder {data_dir}; give --data-dir")
    token = read_token(token_file)
    if token is None and not is_loopback(address):
        raise RequestError(
            f"--address {address} shows every run to every machine; give --token-file FILE"
            " (umask 077; openssl rand -hex 32 > FILE), or listen on 127.0.0.1"
        )
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
