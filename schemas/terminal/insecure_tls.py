"""The option `--insecure-tls` of all commands that connect to a broker."""

import os
from typing import Annotated

import typer

from schemas.contract.broker_address import INSECURE_TLS_ENV

# These name the broker's risks themselves.
CHECKING = ("run", "tune", "resume", "ingest", "doctor", "start")
WARNING = "warning: --insecure-tls: the broker's certificate is not verified; a server between can read and change all"


def _use(context: typer.Context, wanted: bool) -> bool:
    """Let the clients of this process and of those that it starts connect without verification, or not."""
    if context.resilient_parsing:
        return wanted
    os.environ.pop(INSECURE_TLS_ENV, None)
    if wanted:
        os.environ[INSECURE_TLS_ENV] = "true"
        if context.info_name not in CHECKING:
            typer.echo(WARNING, err=True)
    return wanted


InsecureTls = Annotated[
    bool,
    typer.Option(
        "--insecure-tls",
        callback=_use,
        help="Connect to a rediss:// broker without verifying its certificate: a server between can read all.",
        envvar=INSECURE_TLS_ENV,
    ),
]
