"""Where things lie on disk, and how a file or folder gets there whole or not at all."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.config.run import RunConfig

TEMPORARY_PREFIX = ".tmp-"
STAGED_PREFIX = ".staged-"


@dataclass(frozen=True)
class BarsLayout:
    """The bar store of one interval."""

    folder: Path

    @classmethod
    def under(cls, data_dir: str | Path, interval: str) -> "BarsLayout":
        return cls(Path(data_dir) / "bars" / interval)

    @property
    def coverage(self) -> Path:
        return self.folder / "coverage.json"

    @property
    def report(self) -> Path:
        return self.folder / "coverage.html"

    def bars(self, symbol: str) -> Path:
        return self.folder / f"{symbol}.parquet"

    def staged(self, run_id: str) -> Path:
        """Where an ingestion keeps bars until all are judged; locked while it lives."""
        return self.folder / f"{STAGED_PREFIX}{run_id}"

    def fetched(self, symbol: str) -> Path:
        """Replies of a vendor that are not stored as bars yet, so that nothing is asked for twice."""
        return self.folder / ".fetched" / symbol


@dataclass(frozen=True)
class RunLayout:
    """The folder of one run: its manifest, ledger, rows, windows and verdicts."""

    folder: Path

    @classmethod
    def under(cls, data_dir: str | Path, run_id: str) -> "RunLayout":
        return cls(Path(data_dir) / "models" / run_id)

    @property
    def manifest(self) -> Path:
        return self.folder / "run.json"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def validation(self) -> Path:
        return self.folder / "validation.json"

    @property
    def scored_rows(self) -> Path:
        """All students' scored rows, pooled."""
        return self.folder / "validation" / "rows.parquet"

    @property
    def daily_returns(self) -> Path:
        """Daily net returns of each strategy."""
        return self.folder / "validation" / "daily.parquet"

    @property
    def statistics(self) -> Path:
        return self.folder / "statistics.json"

    def gate(self, name: str) -> Path:
        """What one gate found."""
        return self.folder / "statistics" / f"{name}.json"

    def rows(self, role: str) -> Path:
        """`teacher_runs.json` or `student_runs.json`."""
        return self.folder / f"{role}_runs.json"

    def artifact(self, label: str, role: str) -> Path:
        """The folder of one window's teacher or student."""
        return self.folder / "windows" / label / role


def telemetry_path(config: RunConfig, run_id: str) -> Path:
    """The event log of a run."""
    folder = Path(config.telemetry_dir) if config.telemetry_dir else Path(config.data_dir) / "analytics" / "training"
    return folder / f"training_run_{run_id}.jsonl"


def log_path(config: RunConfig, run_id: str) -> Path:
    """The log of everything that orchestrator and local workers said."""
    return Path(config.log_dir) / f"{run_id}.log"


def audit_folder(release_dir: str | Path, run_id: str) -> Path:
    """The audit bundle of a run."""
    return Path(release_dir) / f"audit_{run_id}"


@dataclass(frozen=True)
class ReleaseLayout:
    """The release folder: what was ever released, what each environment serves, and the log of who decided what."""

    folder: Path

    @property
    def history(self) -> Path:
        return self.folder / "history.jsonl"

    @property
    def releases(self) -> Path:
        return self.folder / "releases"

    def release(self, release_id: str) -> Path:
        return self.releases / release_id

    def current(self, environment: str) -> Path:
        """The link to the release that an environment serves."""
        return self.folder / environment / "current"


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_json(value: Any) -> str:
    """JSON as stored: indented, key order kept, no NaN, final newline."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file under a temporary name, flush it to disk, rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_temporary(folder: Path) -> None:
    """Remove what killed processes left half written under `folder`; a live one that loses its file tries again."""
    for path in folder.rglob(f"{TEMPORARY_PREFIX}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def artifact_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `target`; on success it becomes `target`, else it vanishes.

    Training is deterministic, so where `target` exists already (a twin came first) the twin's stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=target.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        _flush(temporary)
        try:
            temporary.rename(target)
        except OSError:
            if not (target / "metadata.json").is_file():
                raise
            shutil.rmtree(temporary)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
