"""`orchestrator rollback`."""

from typing import Annotated

import typer

from orchestrator.cli import checks
from orchestrator.cli.options import Json, Note, OwnName, ReleaseConfigFile, ReleaseDataDir, ReleaseDir, environments
from orchestrator.cli.release_log import print_entry


def rollback(
    environment: Annotated[str, typer.Argument(help="staging or production.", autocompletion=environments)],
    by: OwnName = None,
    note: Note = "",
    data_dir: ReleaseDataDir = None,
    release_dir: ReleaseDir = None,
    config: ReleaseConfigFile = None,
    as_json: Json = False,
) -> None:
    """Make the previous release live again.

    The previous release is the one that the newest deployment replaced. A second rollback goes back one deployment
    more.

    \b
    Example:
      orchestrator rollback production --note "fills look wrong"
    """
    from orchestrator.releases.deployment import rollback as switch
    from orchestrator.runs.identity import account

    settings = checks.release_config(config, data_dir=data_dir, release_dir=release_dir)
    line = switch(settings, checks.environment("ENVIRONMENT", environment), by or account(), note)
    print_entry(line, f"{line.entry.release_id} is live in {environment} again", as_json)
