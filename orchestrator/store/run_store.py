"""A run's files in the store. The orchestrator's data folder stays complete: it takes each result as it arrives.

So whatever reads a run on the orchestrator's host (status, report, release, replay, explain, verify) needs no store.
"""

import logging
import re
import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from orchestrator.ledger.ledger import Ledger
from orchestrator.store.lease import Lease
from orchestrator.store.run_copy import RunCopy
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.coverage import CoverageTable
from schemas.contract.errors import FileError, RequestError, StoreError
from schemas.contract.judgement import Validation
from schemas.contract.plan import Plan
from schemas.contract.release import PRODUCTION
from schemas.contract.task import WINDOW_ROLES, Outcome, Role, Status
from schemas.contract.trials import TrialCount
from schemas.files.atomic import sha256_of, to_json
from schemas.files.belonging import own_run
from schemas.files.layout import METADATA, BarsLayout, ReleaseLayout, RunLayout, audit_folder, side_file, universe_file
from schemas.files.live_release import live_release
from schemas.files.run_files import read_manifest, read_model
from schemas.store.judged_inputs import audit_key, judging_key, list_key
from schemas.store.listed_files import ListedFiles
from schemas.store.mirror import Mirror
from schemas.store.object_store import ObjectStore
from schemas.store.together import together

logger = logging.getLogger(__name__)

PLOT = re.compile(r"plots/\w[\w.-]{0,99}", re.ASCII)
# The process that runs a run does nothing else while it renews its lease, and renews it again after 15 s.
LEASE_PATIENCE_S = 10.0
SUMMARY = "telemetry_summaries/summary.json"


class RunStore:
    """The store of one run beside its folder."""

    def __init__(self, mirror: Mirror, layout: RunLayout, config: RunConfig) -> None:
        self._mirror, self._layout, self._gates = mirror, layout, config.gate_names
        self._audit = audit_folder(config.release_dir, layout.folder.name)
        self._offered: dict[str, str] = {}
        store = ObjectStore(mirror.store.url, LEASE_PATIENCE_S)
        self.lease = Lease(store, f"{mirror.key(layout.folder)}/lease.json")
        self._bars = BarsLayout.under(layout.data_dir, config.interval)
        self._copy = RunCopy(mirror, layout, config)

    @classmethod
    def of(cls, config: RunConfig, layout: RunLayout) -> "RunStore | None":
        """The store of a run; None if its workers share its data folder."""
        mirror = Mirror.of(layout.data_dir, config.store)
        if mirror is None:
            return None
        return cls(mirror, layout, config)

    def claim_name(self) -> None:
        """Publish side data, universe and, without its plan, `run.json` of a new run.

        RequestError if the store has a run of that name.
        """
        manifest = read_manifest(self._layout)
        own = to_json(manifest.model_copy(update={"plan": Plan()}).model_dump(mode="json")).encode()
        if self._mirror.store.put_first(self._mirror.key(self._layout.manifest), own) != own:
            name = self._layout.folder.name
            raise RequestError(f"{self._mirror.store.url} has a run {name} already; give another --run-id")
        for path in _files_beside(self._layout, manifest):
            self._mirror.push(path)

    def hold(self) -> None:
        """Become the one process that runs the run, on all hosts; RequestError if another one runs it."""
        self.lease.take()
        self._copy.begin()

    def offer_plan(self, known: CoverageTable | None) -> None:
        """Publish `run.json`, and the bars of its plan that the store lacks: those of an earlier ingestion."""
        for symbol, row in known.symbols.items() if known is not None else ():
            path = self._layout.bars_read(self._bars.folder.name, symbol, row.sha256)
            self._mirror.push_bars(self._bars, path, row.sha256)
        self._mirror.push(self._layout.manifest)
        self._offered[self._mirror.key(self._layout.manifest)] = sha256_of(self._layout.manifest)

    def offer_inputs(self) -> str:
        """Publish the files that judging reads, and their list; workers fetch those that they do not have.

        Returns the SHA-256 of the list.
        """
        found = {key: (path, sha256_of(path)) for key, path in self._judged().items() if path.is_file()}
        for key, (path, digest) in found.items():
            if self._offered.get(key) != digest:
                self._mirror.push(path, key)
                self._offered[key] = digest
        offered = ListedFiles(files={key: digest for key, (_, digest) in found.items()})
        listed = to_json(offered.model_dump(mode="json")).encode()
        self._mirror.store.put(list_key(self._layout), listed)
        return sha256(listed).hexdigest()

    def _judged(self) -> dict[str, Path]:
        """Every file that judging may read, by its key: of the run, of the live release, and of earlier trials."""
        layout, run_id = self._layout, self._layout.folder.name
        paths = [layout.manifest, *(layout.rows(role) for role in WINDOW_ROLES)]
        paths += [layout.validation, layout.scored_rows, layout.daily_returns, layout.trials, layout.statistics]
        paths += [layout.gate(name) for name in self._gates]
        found = {}
        if (live := live_release(self._audit.parent, PRODUCTION)) is not None:
            run = RunLayout.under(layout.data_dir, live.run_id)
            paths += [run.manifest, run.validation, run.scored_rows]
            paths += _files_beside(run, read_manifest(run)) if run.manifest.is_file() else []
            folder = ReleaseLayout(self._audit.parent).current(PRODUCTION)
            for path in folder.rglob("*"):
                name = path.relative_to(folder).as_posix()
                found[judging_key(run_id, f"{PRODUCTION}/current/{name}")] = path
        if layout.trials.is_file():
            others = read_model(layout.trials, TrialCount).others
            paths += [RunLayout.under(layout.data_dir, each.run_id).daily_returns for each in others]
        found[audit_key(run_id, SUMMARY)] = self._audit / SUMMARY
        return {self._mirror.key(path): path for path in paths} | found

    def publish_copy(self, ledger: Ledger) -> None:
        """Publish what another host needs to show the run or to go on with it; a store that is away gets it later.

        RequestError if another host has taken over the run.
        """
        if not self.lease.is_held:
            return
        try:
            self._copy.publish(ledger)
        except (StoreError, OSError, sqlite3.Error) as error:  # the ledger is copied on its own disk, which may be full
            logger.warning("the copy of the run is not published: %s", error)

    def leave(self, ledger: Ledger) -> None:
        """At the end of this process's work: publish the copy, and let any host go on with the run."""
        try:
            self.publish_copy(ledger)
        except RequestError as error:
            logger.warning("the copy of the run is not published: %s", error)
        self.lease.give_back()

    def take_all(self, outcomes: Sequence[Outcome]) -> None:
        """Bring the files of several successes here, many at once; `take` then returns what is wrong with one."""
        if len(outcomes) > 1:
            together(self.take, outcomes)

    def take(self, outcome: Outcome) -> str:
        """Bring the files of a success here; returns why they are not what was reported, empty if they are.

        StoreError if the store does not answer.
        """
        if outcome.status is not Status.SUCCESS:
            return ""
        if why := self._strange(outcome):
            return why
        try:
            self._take(outcome)
        except FileError as error:
            return str(error)
        return ""

    def _strange(self, outcome: Outcome) -> str:
        """Why an outcome names what its run has not asked for; empty if it does not. Its names become paths."""
        match outcome.role:
            case Role.TEACHER | Role.STUDENT:
                known = own_run(self._layout).window(outcome.role, outcome.name) is not None
            case Role.STATISTICS:
                known = outcome.name in self._gates
            case Role.AUDIT:
                known = all(PLOT.fullmatch(name) for name in outcome.digests)
            case _:
                known = True
        return "" if known else f"the run has no {outcome.role} {outcome.name[:60]!r} with these files"

    def _take(self, outcome: Outcome) -> None:
        mirror, layout = self._mirror, self._layout
        match outcome.role:
            case Role.TEACHER | Role.STUDENT:
                mirror.pull_artifact(layout.artifact(outcome.name, outcome.role), outcome.digests.get(METADATA))
            case Role.INGEST:
                take_bars(mirror, self._bars, outcome)
            case Role.VALIDATION:
                mirror.pull(layout.validation, outcome.digests.get(layout.validation.name))
                digests = read_model(layout.validation, Validation).sha256
                for path in (layout.scored_rows, layout.daily_returns):
                    mirror.pull(path, digests.get(path.relative_to(layout.folder).as_posix()))
            case Role.STATISTICS:
                path = layout.gate(outcome.name)
                mirror.pull(path, outcome.digests.get(path.name))
            case Role.AUDIT:
                for name, digest in outcome.digests.items():
                    mirror.pull(self._audit / name, digest, audit_key(layout.folder.name, name))

    def drop(self, folder: Path) -> None:
        """Remove an artifact here and in the store, so that another attempt's is stored."""
        self._mirror.drop_artifact(folder)


def _files_beside(run: RunLayout, manifest: RunManifest) -> list[Path]:
    """Stored side data of a run, and its universe."""
    members = manifest.config.members
    universe = [] if members is None else [universe_file(run.data_dir, members)]
    return [*universe, *(side_file(run.data_dir, each.name, each.sha256) for each in manifest.side)]


def take_bars(mirror: Mirror, bars: BarsLayout, outcome: Outcome) -> None:
    """Bring the bars that a worker has read to the folder in which they are staged until all are judged."""
    stored = outcome.ingested.stored if outcome.ingested is not None else None
    if stored is not None:
        mirror.pull_bars(bars, bars.staged(outcome.run_id) / f"{stored.symbol}.parquet", stored.sha256)
