"""The name and place of every file that the project stores."""

import re
from dataclasses import dataclass
from pathlib import Path

from schemas.config.run import RunConfig

# A window's teacher or student folder.
METADATA = "metadata.json"  # written last: a folder that has it is whole
MODEL_JSON = "model.json"
MODEL_UBJ = "model.ubj"
SERVING = "serving.json"
PREDICTIONS = "predictions.parquet"
LABELS = "labels.csv.gz"
CERTIFICATE = "certificate.json"
REWARDS = "rewards.parquet"
FEATURE_IMPORTANCE = "feature_importance.csv"

# A release.
RELEASE = "release.json"
GOLDEN = "golden.json"
MODEL_CARD = "model_card.md"
STUDENTS = "students"  # one folder per student

# A signed folder: an audit bundle or a release.
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
PUBLIC_KEY = "manifest.pub"

# A data folder, and the user's state folder.
TRIALS = "trials.jsonl"
FOLDER_ID = ".folder-id"

# A study's trials are runs beside it, of this name.
TRIAL_RUN = re.compile(r"(.+)\.t\d{4,5}")

STAGED_PREFIX = ".staged-"
# Bars by their digest, in a store and as a worker's copies.
COPIES = "by-digest"
# In a staged folder: what all symbols of the ingestion read from files that they share.
SCRATCH = ".shared"


# Beside `serving.json`, what a student serves with: its model, and its teacher's where that is added.
SERVED_MODEL = re.compile(r"(model|teacher)(\.[A-Za-z0-9_-]+)+")


def is_served(name: str) -> bool:
    """Whether a file of a student's folder is needed to serve it."""
    return name == SERVING or SERVED_MODEL.fullmatch(name) is not None


@dataclass(frozen=True)
class BarsLayout:
    """The bar store of one interval."""

    folder: Path

    @classmethod
    def under(cls, data_dir: str | Path, interval: str) -> "BarsLayout":
        """Layout of the bars of an interval below a data folder."""
        return cls(Path(data_dir) / "bars" / interval)

    @property
    def coverage(self) -> Path:
        """Table of what is stored and what was rejected, per symbol."""
        return self.folder / "coverage.json"

    @property
    def report(self) -> Path:
        """Readable report of the last ingestion."""
        return self.folder / "coverage.html"

    def bars(self, symbol: str) -> Path:
        """Stored bars of a symbol."""
        return self.folder / f"{symbol}.parquet"

    @property
    def copies(self) -> Path:
        """Folder of the bars that a worker has fetched from a store: runs of one host may read others of a symbol."""
        return self.folder / COPIES

    def copy(self, sha256: str) -> Path:
        """A worker's copy of the bars with that SHA-256."""
        return self.copies / f"{sha256}.parquet"

    def bars_of(self, symbol: str, sha256: str) -> Path:
        """Where bars with that SHA-256 are read: the copy if it is here, else the stored bars of the symbol."""
        copy = self.copy(sha256)
        return copy if copy.is_file() else self.bars(symbol)

    def staged(self, run_id: str) -> Path:
        """Folder in which an ingestion keeps bars until all are judged; locked while it runs."""
        return self.folder / f"{STAGED_PREFIX}{run_id}"

    def fetched(self, symbol: str) -> Path:
        """Replies of a vendor that are not stored as bars yet; kept so that no request is repeated."""
        return self.folder / ".fetched" / symbol


def side_file(data_dir: str | Path, name: str, sha256: str) -> Path:
    """Stored side data of a name, by the digest of their content."""
    return Path(data_dir) / "side" / name / f"{sha256}.parquet"


def universe_file(data_dir: str | Path, sha256: str) -> Path:
    """A stored universe, by its digest."""
    return Path(data_dir) / "universe" / f"{sha256}.csv"


@dataclass(frozen=True)
class RunLayout:
    """The folder of one run: its manifest, ledger, rows, windows and verdicts."""

    folder: Path

    @classmethod
    def under(cls, data_dir: str | Path, run_id: str) -> "RunLayout":
        """Layout of a run below a data folder."""
        return cls(Path(data_dir) / "models" / run_id)

    @property
    def data_dir(self) -> Path:
        """The data folder that holds the run."""
        return self.folder.parent.parent

    @property
    def manifest(self) -> Path:
        """Config and versions of the run."""
        return self.folder / "run.json"

    @property
    def ledger(self) -> Path:
        """SQLite database of the run's work."""
        return self.folder / "ledger.db"

    @property
    def validation(self) -> Path:
        """Scores of the run's predictions."""
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
    def trials(self) -> Path:
        """Trials that its best result is corrected for."""
        return self.folder / "trials.json"

    @property
    def bars(self) -> Path:
        """Folder of the bars that the run has read; a later ingestion replaces those of the data folder."""
        return self.folder / "bars"

    def kept_bars(self, sha256: str) -> Path:
        """The bars with that SHA-256."""
        return self.bars / f"{sha256}.parquet"

    def bars_read(self, interval: str, symbol: str, sha256: str) -> Path:
        """Where the bars with that SHA-256, which the run has read, are: kept by it, else the stored bars of today."""
        kept = self.kept_bars(sha256)
        return kept if kept.is_file() else BarsLayout.under(self.data_dir, interval).bars(symbol)

    @property
    def statistics(self) -> Path:
        """Gates and their criteria."""
        return self.folder / "statistics.json"

    def gate(self, name: str) -> Path:
        """Result of one gate."""
        return self.folder / "statistics" / f"{name}.json"

    @property
    def study(self) -> Path:
        """Settings and space of a study; a run has none."""
        return self.folder / "study.json"

    @property
    def study_trials(self) -> Path:
        """One line per trial of a study that ended."""
        return self.folder / "study.jsonl"

    @property
    def best(self) -> Path:
        """The best settings of a study, as a file for `--config`."""
        return self.folder / "best.toml"

    def trial(self, number: int) -> "RunLayout":
        """Layout of a trial of the study."""
        return RunLayout(self.folder.with_name(f"{self.folder.name}.t{number:04}"))

    @property
    def number(self) -> int | None:
        """Number of the trial whose run it is; None if it is a run of its own."""
        return None if self.parent_study is None else int(self.folder.name.rpartition(".t")[2])

    @property
    def parent_study(self) -> "RunLayout | None":
        """Layout of the study that the run is a trial of; None if it is none."""
        if (match := TRIAL_RUN.fullmatch(self.folder.name)) is None:
            return None
        study = RunLayout(self.folder.with_name(match[1]))
        return study if study.study.is_file() else None

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
    """The log of the orchestrator and its local workers."""
    return Path(config.log_dir) / f"{run_id}.log"


def audit_folder(release_dir: str | Path, run_id: str) -> Path:
    """The audit bundle of a run."""
    return Path(release_dir) / f"audit_{run_id}"


@dataclass(frozen=True)
class ReleaseLayout:
    """The release folder: all releases, a link per environment, and the log of decisions."""

    folder: Path

    @property
    def history(self) -> Path:
        """Log of approvals, deployments and rollbacks."""
        return self.folder / "history.jsonl"

    @property
    def releases(self) -> Path:
        """Folder of all releases."""
        return self.folder / "releases"

    def release(self, release_id: str) -> Path:
        """Folder of one release."""
        return self.releases / release_id

    def current(self, environment: str) -> Path:
        """The link to the release that an environment serves."""
        return self.folder / environment / "current"
