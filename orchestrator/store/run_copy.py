"""A run's copy in the store, by which another host shows it, verifies it or goes on with it.

Its files are objects by digest, and one list names them. The list is replaced only by who has seen the one before it:
a reader finds the files of one moment, and a host that has lost the run without noticing changes nothing.
"""

from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_lock import is_held
from orchestrator.store.kept_bars import fetch_kept
from schemas.config.run import RunConfig
from schemas.contract.errors import FileError, HeldError, RequestError
from schemas.contract.identifiers import check_run_id
from schemas.contract.task import WINDOW_ROLES, Status
from schemas.files.atomic import TEMPORARY_PREFIX, sha256_of, to_json
from schemas.files.layout import METADATA, BarsLayout, RunLayout, audit_folder, side_file, telemetry_path, universe_file
from schemas.files.run_files import model_of, read_manifest
from schemas.store.listed_files import ListedFiles
from schemas.store.mirror import Mirror, has_digest
from schemas.store.parts import delete_file
from schemas.store.together import together

LIST = "copy.json"


class RunCopy:
    """The copy that the process which runs the run publishes."""

    def __init__(self, mirror: Mirror, layout: RunLayout, config: RunConfig) -> None:
        self._mirror, self._layout, self._config = mirror, layout, config
        self._list = mirror.key(layout.folder / LIST)
        # The list that this process has seen last, and the one whose storing had no answer.
        self._seen: bytes | None = None
        self._unsure: bytes | None = None
        # The objects of the last list, and of those before: readers may still fetch them, and the next list ends that.
        self._last: set[str] = set()
        self._earlier: set[str] = set()

    def begin(self) -> None:
        """Take over from the last publisher, whose objects are removed in time; called once the lease is held."""
        self._seen = self._mirror.store.get(self._list)
        if self._seen is not None:
            with suppress(FileError):
                self._last = set(_listed(self._seen, f"{self._mirror.store.url}/{self._list}").values())

    def publish(self, ledger: Ledger) -> None:
        """Publish ledger, rows, verdicts, event log and audit bundle; artifacts and bars are in the store already.

        RequestError if another host has published since `begin`.
        """
        mirror = self._mirror
        found = {key: path for key, path in _files(mirror, self._layout, self._config).items() if path.is_file()}
        with ledger.copied() as copy:
            found[mirror.key(self._layout.ledger)] = copy
            digests = {key: sha256_of(path) for key, path in found.items()}
            own, now = {digests[key]: found[key] for key in found}, set(digests.values())
            self._earlier |= now  # removed by the next list if this one is not stored
            together(lambda digest: mirror.push(own[digest], _copy_key(mirror, self._layout, digest)), now - self._last)
        self._commit(to_json(ListedFiles(files=digests).model_dump(mode="json")).encode())
        together(
            lambda digest: delete_file(mirror.store, _copy_key(mirror, self._layout, digest)),
            self._earlier - self._last - now,
        )
        self._earlier, self._last = self._last, now

    def _commit(self, listed: bytes) -> None:
        store, known = self._mirror.store, (self._seen, self._unsure)
        self._unsure = listed
        if not any(store.replace(self._list, listed, each) for each in known):
            raise RequestError(f"another host has taken over the run: it has published {store.url}/{self._list}")
        self._seen, self._unsure = listed, None


def fetch_copy(mirror: Mirror, run_id: str) -> RunLayout:
    """Bring a run here from the store: all that its own host has of it.

    RequestError if the store has no such run, HeldError if a process of this host runs it.
    """
    layout = RunLayout.under(mirror.data_dir, check_run_id(run_id))
    if layout.folder.is_dir() and is_held(layout):
        raise HeldError(f"run {run_id} is being run on this host, in {layout.folder}; there is nothing to fetch")
    listed = mirror.key(layout.folder / LIST)
    content = mirror.store.get(listed)
    if content is None:
        raise RequestError(f"{mirror.store.url} has no copy of a run {run_id}; it is made when its first phase ends")
    files = _listed(content, f"{mirror.store.url}/{listed}")
    if (own := mirror.key(layout.manifest)) not in files:
        raise RequestError(f"the copy of the run names no {own}; its list in the store was changed")
    mirror.pull(layout.manifest, files[own], _copy_key(mirror, layout, files[own]))
    manifest = read_manifest(layout)
    places = _places(mirror, layout, manifest.config)
    ledger = files.pop(mirror.key(layout.ledger), None)
    if ledger is not None and not has_digest(layout.ledger, ledger):
        fresh = layout.ledger.with_name(f"{TEMPORARY_PREFIX}{layout.ledger.name}")
        mirror.pull(fresh, ledger, _copy_key(mirror, layout, ledger))
        for suffix in ("-wal", "-shm"):  # of an older ledger, which are no part of this one
            layout.ledger.with_name(layout.ledger.name + suffix).unlink(missing_ok=True)
        fresh.replace(layout.ledger)
    together(lambda key: mirror.pull(_path_of(key, places), files[key], _copy_key(mirror, layout, files[key])), files)
    with closing(Ledger(layout.ledger, read_only=True)) as opened:
        wanted = (
            (layout.artifact(each.name, role), each.digests.get(METADATA))
            for role in WINDOW_ROLES
            for each in opened.records(role, ended=True)
            if each.status is Status.SUCCESS
        )
        together(lambda each: mirror.pull_artifact(*each), wanted)
    for each in manifest.side:
        mirror.pull(side_file(mirror.data_dir, each.name, each.sha256), each.sha256)
    if (members := manifest.config.members) is not None:
        mirror.pull(universe_file(mirror.data_dir, members), members)
    bars = BarsLayout.under(mirror.data_dir, manifest.config.interval)
    rows = manifest.bars.symbols.values() if manifest.bars is not None else ()
    together(lambda row: fetch_kept(mirror, layout, bars, row), rows)
    return layout


def _listed(content: bytes, source: str) -> dict[str, str]:
    """Digests of the files of a copy by key; FileError if the list is damaged."""
    return dict(model_of(content, ListedFiles, source, remedy="resume the run on its own host").files)


def _copy_key(mirror: Mirror, layout: RunLayout, digest: str) -> str:
    """Key of a file of a copy."""
    return mirror.key(layout.folder / "copies" / digest)


def _places(mirror: Mirror, layout: RunLayout, config: RunConfig) -> dict[str, Path]:
    """Folders of this host by the key of each: the run's, the audit bundle's, and that of event logs."""
    run_id = layout.folder.name
    return {
        f"{mirror.key(layout.folder)}/": layout.folder,
        f"release/audit_{run_id}/": audit_folder(config.release_dir, run_id),
        "analytics/training/": telemetry_path(config, run_id).parent,
    }


def _files(mirror: Mirror, layout: RunLayout, config: RunConfig) -> dict[str, Path]:
    skipped = (layout.folder / "windows", layout.folder / "judging", layout.folder / "copies", layout.bars)
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
