"""The incumbent: the release that is live in production, beside the candidate on new days and on those of its run."""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow.parquet as pq

from schemas.config.interval import is_intraday
from schemas.config.label_identity import label_identity
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import DataError, FileError, RequestError
from schemas.contract.judgement import Validation
from schemas.files.atomic import sha256_of
from schemas.files.layout import STUDENTS, ReleaseLayout, RunLayout
from schemas.files.live_release import LiveRelease, live_release
from schemas.files.run_files import read_manifest, read_model
from workers.bars.calendar import day_number
from workers.bars.series import Floats, Ints
from workers.devices.arrays import to_host
from workers.features.chosen import features_of, names_of
from workers.judging.evidence import Evidence
from workers.judging.predictions import Predictions, decode
from workers.models.stored_student import read_student
from workers.scoring.constancy import equal_to_rounding
from workers.scoring.log_loss import daily_means

REMEDY = "roll back, or deploy again"


@dataclass(frozen=True)
class Incumbent:
    """Candidate and live release on the same rows, as mean losses per day, each of shape (days,).

    `ours` and `theirs`: on days after the bars that the live run was judged on, its students scored there.
    `common_ours` and `common_theirs`: on days that both runs scored. `unchanged` of `common_rows` rows there have the
    same prediction. `why_not`: why nothing could be compared. `digests`: SHA-256 of the live run's files that were
    read.
    """

    release_id: str
    why_not: str | None = None
    ours: Floats = field(default_factory=lambda: np.empty(0))
    theirs: Floats = field(default_factory=lambda: np.empty(0))
    common_ours: Floats = field(default_factory=lambda: np.empty(0))
    common_theirs: Floats = field(default_factory=lambda: np.empty(0))
    common_rows: int = 0
    unchanged: int = 0
    digests: dict[str, str] = field(default_factory=dict)


def incumbent_of(evidence: Evidence) -> Incumbent | None:
    """Compare the candidate with the release that is live in production; None if no release is live."""
    release = live_release(evidence.release_dir, "production")
    if release is None:
        return None
    layout = RunLayout(evidence.layout.folder.parent / release.run_id)

    def cannot(why: str) -> Incumbent:
        return Incumbent(release.release_id, f"release {release.release_id} is live, but {why}")

    try:
        manifest, validation = read_manifest(layout), read_model(layout.validation, Validation)
    except FileError as error:
        return cannot(f"its run cannot be read: {error}")
    path = layout.scored_rows
    if not path.is_file() or sha256_of(path) != validation.sha256[path.relative_to(layout.folder).as_posix()]:
        return cannot(f"{path} is missing or was changed")
    if label_identity(manifest.config.training()) != label_identity(evidence.training):
        return cannot("it was trained on other labels, so its losses cannot be compared")
    settings = manifest.config.training()
    if settings.needs_panel and set(evidence.bars) != set(manifest.bars.symbols if manifest.bars else ()):
        return cannot("it compares other symbols with each other than this run scores")
    if settings.needs_panel and settings.members != evidence.training.members:
        return cannot("it compares symbols by another universe")
    try:
        if release.features != names_of(settings.feature_set):
            return cannot("its students were trained on other features than this program computes")
        ours, theirs = _on_new_days(evidence, release, manifest)
    except (DataError, RequestError) as error:
        return cannot(str(error))
    digests = {f"data/models/{release.run_id}/validation/{path.name}": sha256_of(path)}
    found = Incumbent(release.release_id, None, ours, theirs, digests=digests)
    return _with_common_days(found, evidence, decode(pq.read_table(path)))


def _on_new_days(evidence: Evidence, release: LiveRelease, live: RunManifest) -> tuple[Floats, Floats]:
    """Mean loss per day of candidate and live students, on rows after the bars that the live run had.

    DataError if a student cannot be read.
    """
    predictions, folder = evidence.predictions, ReleaseLayout(evidence.release_dir).current("production").resolve()
    last = max((row.last for row in live.bars.symbols.values()), default=None) if live.bars else None
    theirs = np.full(len(predictions), np.nan)
    features = features_of(evidence.bars, live.config.feature_set, is_intraday(evidence.training.interval))
    for symbol, student in release.students.items():
        seen = max(student.end, last) if last else student.end
        rows = np.flatnonzero((predictions.symbol == symbol) & (predictions.day > day_number(seen)))
        if len(rows):
            place = np.searchsorted(evidence.bars[symbol].timestamp, predictions.timestamp[rows])
            read = read_student(folder / STUDENTS / student.folder, student.sha256, REMEDY)
            theirs[rows] = read.predict(to_host(features[symbol])[place], symbol)
    rows = np.flatnonzero(np.isfinite(theirs))
    return _daily(evidence, rows, predictions.student), _daily(evidence, rows, theirs)


def _with_common_days(found: Incumbent, evidence: Evidence, theirs: Predictions) -> Incumbent:
    """Add the days that both runs scored."""
    ours = evidence.predictions
    keys = [
        dict(zip(zip(each.symbol.tolist(), each.timestamp.tolist(), strict=True), range(len(each)), strict=True))
        for each in (ours, theirs)
    ]
    both = sorted(keys[0].keys() & keys[1].keys())
    mine, other = (np.array([places[key] for key in both], dtype=np.int64) for places in keys)
    # Labels are the candidate's: the live run's come from bars that may have been corrected since.
    beside = np.full(len(ours), np.nan)
    beside[mine] = theirs.student[other]
    same = equal_to_rounding(ours.student[mine], beside[mine])
    return replace(
        found, common_ours=_daily(evidence, mine, ours.student), common_theirs=_daily(evidence, mine, beside),
        common_rows=len(both), unchanged=int(same.sum()),
    )  # fmt: skip


def _daily(evidence: Evidence, rows: Ints, p: Floats) -> Floats:
    predictions = evidence.predictions
    return daily_means(predictions.day[rows], evidence.family.losses(predictions.y[rows], p[rows]))[1]
