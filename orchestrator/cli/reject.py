"""`orchestrator reject`."""

from orchestrator.cli import checks
from orchestrator.cli.options import (
    ApproverName,
    Json,
    NamedRun,
    Note,
    ReleaseConfigFile,
    ReleaseDataDir,
    ReleaseDir,
)
from orchestrator.cli.release_log import print_entry
from orchestrator.cli.run_choice import whole_id


def reject(
    run_id: NamedRun,
    by: ApproverName,
    note: Note = "",
    data_dir: ReleaseDataDir = None,
    release_dir: ReleaseDir = None,
    config: ReleaseConfigFile = None,
    as_json: Json = False,
) -> None:
    """Reject a run, or withdraw its approval.

    If a release of this run is live, it stays live until you roll it back.

    \b
    Example:
      orchestrator reject live_candidate_20260102_030405 \\
        --by asha --note "two symbols carry the whole return"
    """
    from orchestrator.releases.approval import reject as record

    settings = checks.release_config(config, data_dir=data_dir, release_dir=release_dir)
    run_id = whole_id(settings.data_dir, run_id)
    line = record(settings, run_id, checks.not_blank("--by", by, "a rejection needs a name"), note=note)
    print_entry(line, f"{run_id} is rejected by {by}", as_json)
