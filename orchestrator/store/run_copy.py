"""A run's copy in the store, by which another host shows it, verifies it or goes on with it."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from orchestrator.ledger.ledger import Ledger
from schemas.config.run import RunConfig
from schemas.contract.errors import RequestError
from schemas.contract.identifiers import check_run_id
from schemas.contract.task import WINDOW_ROLES, Status
from schemas.files.atomic import sha256_of, to_json, write_atomic
from schemas.files.layout import METADATA, BarsLayout, RunLayout, audit_folder, side_file, telemetry_path, universe_file
from schemas.files.run_files import model_of, read_manifest
from schemas.store.listed_files import ListedFiles
from schemas.store.mirror import Mirror, together

LIST = "copy.json"


def publish_copy(mirror: Mirror, layout: RunLayout, config: RunConfig, ledger: bytes, done: dict[str, str]) -> None:
    """Publish ledger, rows, verdicts, event log and audit bundle, those that changed since `done`, which is updated.

    Artifacts and bars are in the store already.
    """
    mirror.store.put(mirror.key(layout.ledger), ledger)
    found = {key: path for key, path in _files(mirror, layout, config).items() if path.is_file()}
    digests = {key: sha256_of(path) for key, path in found.items()}
    together(lambda key: mirror.push(found[key], key), [key for key in found if done.get(key) != digests[key]])
    done.update(digests)
    listed = ListedFiles(files=digests)
    mirror.store.put(mirror.key(layout.folder / LIST), to_json(listed.model_dump(mode="json")).encode())


def fetch_copy(mirror: Mirror, run_id: str) -> RunLayout:
    """Bring a run here from the store: all that its own host has of it. RequestError if the store has no such run."""
    layout = RunLayout.under(mirror.data_dir, check_run_id(run_id))
    content = mirror.store.get(mirror.key(layout.folder / LIST))
    if content is None:
        raise RequestError(f"{mirror.store.url} has no copy of a run {run_id}; it is made when its first phase ends")
    mirror.pull(layout.manifest)
    manifest = read_manifest(layout)
    places = _places(mirror, layout, manifest.config)
    source = f"{mirror.store.url}/{mirror.key(layout.folder / LIST)}"
    files = model_of(content, ListedFiles, source, remedy="resume the run on its own host").files
    together(lambda key: mirror.pull(_path_of(key, places), files[key], key), files)
    ledger = mirror.store.get(mirror.key(layout.ledger))
    assert ledger is not None
    write_atomic(layout.ledger, ledger)
    with closing(Ledger(layout.ledger, read_only=True)) as opened:
        wanted = [
            (layout.artifact(each.name, role), each.digests.get(METADATA))
            for role in WINDOW_ROLES
            for each in opened.records(role, ended=True)
            if each.status is Status.SUCCESS
        ]
    together(lambda each: mirror.pull_artifact(*each), wanted)
    bars = BarsLayout.under(mirror.data_dir, manifest.config.interval)
    for each in manifest.side:
        mirror.pull(side_file(mirror.data_dir, each.name, each.sha256), each.sha256)
    if (members := manifest.config.members) is not None:
        mirror.pull(universe_file(mirror.data_dir, members), members)
    rows = manifest.bars.symbols if manifest.bars is not None else {}
    together(lambda symbol: mirror.pull_bars(bars, bars.bars(symbol), rows[symbol].sha256), rows)
    return layout


def _places(mirror: Mirror, layout: RunLayout, config: RunConfig) -> dict[str, Path]:
    """Folders of this host by the key of each: the run's, the audit bundle's, and that of event logs."""
    run_id = layout.folder.name
    return {
        f"{mirror.key(layout.folder)}/": layout.folder,
        f"release/audit_{run_id}/": audit_folder(config.release_dir, run_id),
        "analytics/training/": telemetry_path(config, run_id).parent,
    }


def _files(mirror: Mirror, layout: RunLayout, config: RunConfig) -> dict[str, Path]:
    skipped = (layout.folder / "windows", layout.folder / "judging")
    own = [path for path in layout.folder.rglob("*") if not any(path.is_relative_to(each) for each in skipped)]
    paths = {
        "": [path for path in own if path.name[0] != "." and not path.name.startswith(layout.ledger.name)],
        f"release/audit_{layout.folder.name}/": list(audit_folder(config.release_dir, layout.folder.name).rglob("*")),
        "analytics/training/": [telemetry_path(config, layout.folder.name)],
    }
    places = _places(mirror, layout, config)
    return {
        (f"{prefix}{path.relative_to(places[prefix]).as_posix()}" if prefix else mirror.key(path)): path
        for prefix, found in paths.items()
        for path in found
    }


def _path_of(key: str, places: Mapping[str, Path]) -> Path:
    """Where a file of that key belongs here. RequestError for a key that leads out of a run's folders."""
    for prefix, folder in places.items():
        parts = key.removeprefix(prefix).split("/")
        if key.startswith(prefix) and all(part and part[0] != "." for part in parts):
            return folder.joinpath(*parts)
    raise RequestError(f"the copy of the run names {key[:80]!r}, which no run has; its list in the store was changed")
