"""`orchestrator deploy`."""

from typing import Annotated

import typer

from orchestrator.cli import checks
from orchestrator.cli.options import (
    Json,
    NamedRun,
    Note,
    OwnName,
    ReleaseConfigFile,
    ReleaseDataDir,
    ReleaseDir,
    environments,
)
from orchestrator.cli.release_log import print_entry
from orchestrator.cli.run_choice import whole_id
from orchestrator.terminal.console import Console


def deploy(
    run_id: NamedRun,
    to: Annotated[str, typer.Option(help="staging or production.", autocompletion=environments)],
    by: OwnName = None,
    note: Note = "",
    min_staging_hours: Annotated[
        float | None, typer.Option(help="Hours in staging that production requires.  [default: 24]")
    ] = None,
    signing_key: Annotated[
        str | None, typer.Option(help="PEM file of an Ed25519 private key to sign the release with.")
    ] = None,
    data_dir: ReleaseDataDir = None,
    release_dir: ReleaseDir = None,
    config: ReleaseConfigFile = None,
    as_json: Json = False,
) -> None:
    """Make the students of an approved run live.

    Every digest and golden vector is checked first. The switch is one rename, so it is made whole or not at all.

    \b
    Example:
      orchestrator deploy live_candidate_20260102_030405 --to staging
    """
    from orchestrator.releases.deployment import deploy as switch
    from orchestrator.runs.identity import account

    settings = checks.release_config(
        config, data_dir=data_dir, release_dir=release_dir, min_staging_hours=min_staging_hours,
        signing_key=signing_key,
    )  # fmt: skip
    run_id = whole_id(settings.data_dir, run_id)
    with Console(stderr=as_json).status("checking"):
        line = switch(settings, run_id, checks.environment("--to", to), by or account(), note)
    print_entry(line, f"{line.entry.release_id} is live in {to}", as_json)
