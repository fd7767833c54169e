"""`orchestrator acl`."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.contract.errors import RequestError
from schemas.redis.acl import ROLES


def acl(
    database: Annotated[int, typer.Option(help="Number of the database that the broker's URL names.", min=0)] = 0,
    write: Annotated[
        Path | None,
        typer.Option(help="Folder for an aclfile, a file per role with its URL, a key and a token; needs --url."),
    ] = None,
    url: Annotated[str | None, typer.Option(help="With --write: the broker's URL, without a user.")] = None,
) -> None:
    """Print the rights of each role on the broker.

    The lines are those of the server's aclfile. gurukul is for runs that start their own workers, gurukul-orchestrator
    for runs on a fleet, gurukul-worker for `workers start`, gurukul-viewer for watch, fleet, metrics and the dashboard,
    gurukul-flower for Flower. Replace each PASSWORD. With --write, passwords are made: users.acl is for the server,
    ROLE.url for --broker-file. fleet.key signs messages: GURUKUL_KEY_FILE on every host of the fleet. metrics.token
    is for --token-file of metrics and Flower.

    \b
    Examples:
      orchestrator acl --database 0
      orchestrator acl --write secrets --url redis://broker.example:6379/0
    """
    if (write is None) != (url is None):
        raise RequestError("--write and --url need each other: --write FOLDER --url redis://HOST:PORT/0")
    if write is not None and url is not None:
        _write(write, url, database)
        return
    for name, role in ROLES.items():
        typer.echo(f"user {name} on >PASSWORD {' '.join(role.rules(database))}")


def _write(folder: Path, url: str, database: int) -> None:
    from orchestrator.broker.user_files import write_users
    from schemas.redis.client import address_of

    address = address_of(url)
    if address.username or address.password:
        raise RequestError("--url has a user or a password; each role gets its own: write redis://HOST:PORT/0")
    if database and database != address.database:
        raise RequestError(f"--database {database} is not the database of --url; leave --database out")
    for name in write_users(folder, address):
        typer.echo(folder / name)
