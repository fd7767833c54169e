"""Parsers of logs, leases, owner files and releases."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from orchestrator.audit.signed_manifest import check
from orchestrator.releases.history import read as read_history
from orchestrator.releases.overview import overview
from orchestrator.store.lease import Holder, Lease
from schemas.contract.errors import GurukulError
from schemas.contract.machine import this_machine
from schemas.contract.release import FIRST_LINK, Entry, GoldenCheck, PredictRequest
from schemas.contract.trials import Trial, TrialLine
from schemas.files.layout import GOLDEN, MANIFEST, RELEASE, SERVING, ReleaseLayout
from schemas.files.live_release import live_release
from schemas.files.owner_file import FileOwner, owned
from schemas.files.trial_log import known_trials
from schemas.store.object_store import ObjectStore
from tests.fuzz.mutation import change_json, change_line
from tests.fuzz.parser import Parser, documents, instances, lasting_folder, of_file
from tests.orchestrator.releases.making import make_release, walk
from workers.serving import golden
from workers.serving.prediction import predict


@cache
def _release() -> ReleaseLayout:
    """A release folder with one release, made once; each input replaces one file of it."""
    folder = lasting_folder()
    make_release(folder, {"TCS": walk(1, 420)})
    return ReleaseLayout(folder)


def _of_release(*place: str) -> Callable[[bytes, Path], object]:
    """A file of a release, whose recorded digests are made to fit, as `deploy`, `releases` and `predict` read it."""

    def parse(content: bytes, folder: Path) -> None:
        releases = _release()
        (release,) = releases.releases.iterdir()
        own, manifest, head = release.joinpath(*place), release / MANIFEST, release / RELEASE
        before = {path: path.read_bytes() for path in (manifest, head, own)}
        try:
            if place[-1] == SERVING:
                served = json.loads(before[head])
                served["students"]["TCS"]["sha256"][SERVING] = hashlib.sha256(content).hexdigest()
                head.write_text(json.dumps(served))
            own.write_bytes(content)
            recorded = json.loads(before[manifest]) if own != manifest else None
            if recorded is not None:
                recorded["sha256"]["/".join(place)] = hashlib.sha256(content).hexdigest()
                manifest.write_text(json.dumps(recorded))
            check(release, {"release_id": release.name})
            live_release(releases.folder, "staging")
            golden.check(GoldenCheck(release=str(release), data_dir=str(folder)))
            predict(PredictRequest(release_dir=str(releases.folder), data_dir=str(folder), environment="staging"))
            overview(str(releases.folder), None)
        finally:
            for path, content_before in before.items():
                path.write_bytes(content_before)

    return parse


def _own(*place: str) -> list[bytes]:
    (release,) = _release().releases.iterdir()
    return [release.joinpath(*place).read_bytes()]


def _history(path: Path) -> None:
    """A log of releases, alone and as `releases` shows it."""
    read_history(path)
    overview(str(path.parent), None)


def _chained(entries: list[Entry]) -> bytes:
    lines, previous = [], FIRST_LINK
    for number, each in enumerate(entries, 1):
        text = each.model_copy(update={"seq": number, "previous_sha256": previous}).model_dump_json().encode()
        lines.append(text + b"\n")
        previous = hashlib.sha256(text).hexdigest()
    return b"".join(lines)


def _trials(content: bytes, folder: Path) -> None:
    (folder / "own").mkdir(exist_ok=True)
    (folder / "own" / "trials.jsonl").write_bytes(content)
    known_trials((folder / "own" / "trials.jsonl", folder / "trials.jsonl"))


def _trial_lines() -> list[bytes]:
    lines, previous = [], FIRST_LINK
    for trial in instances(Trial, 4):
        text = TrialLine(previous_sha256=previous, trial=trial).model_dump_json().encode()
        lines.append(text + b"\n")
        previous = hashlib.sha256(text).hexdigest()
    return [b"".join(lines)]


class _Leases(ObjectStore):
    """A store with one object, which no write replaces."""

    url = "s3://x"

    def __init__(self, content: bytes) -> None:
        self._content = content

    def get(self, key: str, largest_bytes: int = 0) -> bytes | None:
        """The object."""
        return self._content

    def replace(self, key: str, content: bytes, before: bytes | None) -> bool:
        """Another host was faster."""
        return False


def _lease(content: bytes, folder: Path) -> None:
    """Taken, and asked to be given up by another host."""
    lease = Lease(_Leases(content), "lease")
    with suppress(GurukulError):
        lease.take()
    lease.cancel_elsewhere(-1.0)


def _owner(content: bytes, folder: Path) -> None:
    (folder / "log.owner").write_bytes(content)
    with owned(folder / "log", wait=False):
        pass


PARSERS = {
    "release": Parser(_of_release(RELEASE), lambda: _own(RELEASE), change_json),
    "golden": Parser(_of_release(GOLDEN), lambda: _own(GOLDEN), change_json),
    "serving": Parser(_of_release("students", "TCS", SERVING), lambda: _own("students", "TCS", SERVING), change_json),
    "manifest": Parser(_of_release(MANIFEST), lambda: _own(MANIFEST), change_json),
    "history": Parser(of_file("history.jsonl", _history), lambda: [_chained(instances(Entry, 5))], change_line),
    "trials": Parser(_trials, _trial_lines, change_line),
    "lease": Parser(_lease, lambda: documents(Holder, 4), change_json),
    "owner": Parser(
        _owner, lambda: documents(FileOwner, 2, machine=this_machine()), change_json, (GurukulError, BlockingIOError)
    ),
}
