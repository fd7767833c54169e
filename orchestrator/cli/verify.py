"""`orchestrator verify`."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from orchestrator.audit.agreement import METRICS, contradictions, read_metrics
from orchestrator.audit.signed_manifest import UNSIGNED, check, is_audit
from orchestrator.cli.options import DataDir, Json, PublicKey, RunArgument
from orchestrator.terminal.console import Console
from schemas.contract.errors import ExitCode, FileError, RequestError
from schemas.files.atomic import sha256_of
from schemas.files.layout import MANIFEST

SHOWN_FAULTS = 20


def verify(
    run_id: RunArgument,
    data_dir: DataDir = "data",
    release_dir: Annotated[
        str, typer.Option(help="Folder of audit bundles; if omitted: the run's own.", envvar="GURUKUL_RELEASE_DIR")
    ] = "",
    public_key: PublicKey = None,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Check this copy of an audit bundle or release alone, without its run.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a run's files, certificates and signature.

    Hashes every file of the run and of its audit bundle again, and proves every certificate again from the stored
    rows. Needs no network. Exit code 3 if anything is not as recorded. A bundle that was copied from its run
    is checked with --bundle.

    \b
    Examples:
      orchestrator verify live_candidate_20260102_030405 \\
        --public-key release.pub
      orchestrator verify --bundle audit_nightly --public-key release.pub
    """
    from orchestrator.runs.verify import verified

    console = Console(stderr=as_json)
    if bundle is not None:
        _verify_bundle(console, bundle, run_id, public_key, as_json)
    if run_id is not None and (Path(run_id) / MANIFEST).is_file():
        raise RequestError(f"{run_id} is a folder and not a run; next: `orchestrator verify --bundle {run_id}`")
    with console.status("hashing"):
        found = verified(data_dir, release_dir or None, run_id, public_key)
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show_faults(console, found.broken)
        for note in found.notes:
            console.write(f"note: {note}")
        console.write(
            f"{found.windows} windows, {found.files} files hashed, {found.certificates} certificates proved again"
            f" over {found.spans} spans: {f'{len(found.broken)} broken' if found.broken else 'all as recorded'}"
        )
        console.write(f"audit bundle: {found.bundle}")
    raise typer.Exit(ExitCode.FAILED if found.broken else ExitCode.DONE)


def _verify_bundle(
    console: Console, folder: Path, run_id: str | None, public_key: str | None, as_json: bool
) -> NoReturn:
    """Compare a folder with its own manifest and signature, print the result, and exit."""
    if run_id is not None:
        raise RequestError(f"give either the run {run_id} or --bundle {folder}")
    if folder.is_file():
        raise RequestError(f"--bundle {folder} is not a folder; unpack it, and give the folder that holds {MANIFEST}")
    if not folder.is_dir():
        raise RequestError(f"--bundle {folder} is not a folder; give one that holds {MANIFEST}")
    found = check(folder, {}, public_key)
    manifest = folder / MANIFEST
    digest = sha256_of(manifest) if manifest.is_file() else None
    faults, verdict = found.faults, None
    if (folder / METRICS).is_file() or is_audit(folder):
        faults = tuple(dict.fromkeys((*faults, *contradictions(folder))))
        with suppress(FileError):
            verdict = read_metrics(folder)
    if as_json:
        shown = {"broken": faults, "files": found.files, "signature": found.signature, "manifest_sha256": digest}
        of_run = {"run_id": verdict and verdict.run_id, "recommendation": verdict and verdict.recommendation}
        typer.echo(json.dumps(shown | of_run))
    else:
        _show_faults(console, faults)
        if found.signature == UNSIGNED and not faults:
            console.write(
                f"note: unsigned, so {MANIFEST} may have been written again with the files; compare its SHA-256 with"
                f" the sender's, or with audit_sha256 in the log of releases: {digest}"
            )
        if verdict is not None:
            console.write(f"audit of run {verdict.run_id}: {verdict.recommendation}")
        console.write(f"{found.files} files, {found.signature}: {'broken' if faults else 'all as recorded'}")
    raise typer.Exit(ExitCode.FAILED if faults else ExitCode.DONE)


def _show_faults(console: Console, faults: Sequence[str]) -> None:
    for fault in faults[:SHOWN_FAULTS]:
        console.write(f"broken: {fault}")
    if len(faults) > SHOWN_FAULTS:
        console.write(f"broken: {len(faults) - SHOWN_FAULTS} more; --json has all")
