"""`orchestrator acl`."""

from typing import Annotated

import typer

from schemas.redis.acl import ROLES


def acl(
    database: Annotated[int, typer.Option(help="Number of the database that the broker's URL names.", min=0)] = 0,
) -> None:
    """Print the rights of each role on the broker, as lines of the server's aclfile.

    gurukul is for runs that start their own workers, gurukul-orchestrator for runs on a fleet, gurukul-worker for
    `workers start`, gurukul-viewer for watch, fleet, metrics and the dashboard, gurukul-flower for Flower. Replace each
    PASSWORD.

    \b
    Example:
      orchestrator acl --database 0
    """
    for name, role in ROLES.items():
        typer.echo(f"user {name} on >PASSWORD {' '.join(role.rules(database))}")
