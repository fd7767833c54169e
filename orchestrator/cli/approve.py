"""`orchestrator approve`."""

from typing import Annotated

import typer

from orchestrator.cli import checks
from orchestrator.cli.options import (
    ApproverName,
    Json,
    NamedRun,
    Note,
    ReleaseConfigFile,
    ReleaseDataDir,
    ReleaseDir,
    Symbols,
)
from orchestrator.cli.release_log import print_entry
from orchestrator.cli.run_choice import whole_id


def approve(
    run_id: NamedRun,
    by: ApproverName,
    note: Note = "",
    override: Annotated[
        str | None,
        typer.Option(help="Why to approve a run that is not recommended; recorded, and shown in the release."),
    ] = None,
    symbols: Symbols = None,
    require_other_approver: Annotated[
        bool | None,
        typer.Option(
            "--require-other-approver", help="Refuse the approval if --by is the recorded trainer of the run."
        ),
    ] = None,
    data_dir: ReleaseDataDir = None,
    release_dir: ReleaseDir = None,
    config: ReleaseConfigFile = None,
    as_json: Json = False,
) -> None:
    """Approve a run, so that it can be deployed.

    A run that is not recommended needs --override.

    \b
    Example:
      orchestrator approve live_candidate_20260102_030405 \\
        --by asha --note "gates and plots read"
    """
    from orchestrator.audit.next_step import deploy
    from orchestrator.releases.approval import approve as record

    settings = checks.release_config(
        config, data_dir=data_dir, release_dir=release_dir, require_other_approver=require_other_approver
    )
    run_id = whole_id(settings.data_dir, run_id)
    approver = checks.not_blank("--by", by, "an approval needs a name")
    if override is not None:
        checks.not_blank("--override", override, "give the reason")
    line = record(settings, run_id, approver, note=note, override=override, symbols=checks.symbols(symbols))
    print_entry(line, f"{run_id} is approved by {by}; next: {deploy(run_id, settings)}", as_json)
