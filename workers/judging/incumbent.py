"""The incumbent: the release that is live in production, with the predictions of its own run."""

from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

from schemas.config.training import label_identity
from schemas.contract.errors import FileError
from schemas.contract.judgement import Validation
from schemas.files.atomic import sha256_of
from schemas.files.layout import RunLayout
from schemas.files.live_release import live_release
from schemas.files.run_files import read_manifest, read_model
from workers.bars.series import Floats
from workers.judging.evidence import Evidence
from workers.judging.predictions import Predictions, decode
from workers.scoring.log_loss import daily_means, log_losses


@dataclass(frozen=True)
class Incumbent:
    """Log losses of candidate and live release on the rows that both predicted.

    `ours`, `theirs`: mean per day in nats, shape (days,); both are empty if there are none, and `why_not` holds the
    reason. `digests`: SHA-256 of the live run's files that were read.
    """

    release_id: str
    ours: Floats
    theirs: Floats
    why_not: str | None
    digests: dict[str, str]


def incumbent_of(evidence: Evidence) -> Incumbent | None:
    """Compare the candidate with the release that is live in production; None if no release is live."""
    release = live_release(evidence.release_dir, "production")
    if release is None:
        return None
    layout = RunLayout(evidence.layout.folder.parent / release.run_id)
    nothing = np.empty(0)

    def cannot(why: str) -> Incumbent:
        return Incumbent(release.release_id, nothing, nothing, f"release {release.release_id} is live, but {why}", {})

    try:
        manifest, validation = read_manifest(layout), read_model(layout.validation, Validation)
    except FileError as error:
        return cannot(f"its run cannot be read: {error}")
    path = layout.scored_rows
    if not path.is_file() or sha256_of(path) != validation.sha256[path.relative_to(layout.folder).as_posix()]:
        return cannot(f"{path} is missing or was changed")
    if label_identity(manifest.config.training()) != label_identity(evidence.training):
        return cannot("it was trained on other labels, so its log losses cannot be compared")
    ours, theirs = _common(evidence.predictions, decode(pq.read_table(path)))
    digests = {f"data/models/{release.run_id}/validation/{path.name}": sha256_of(path)}
    return Incumbent(release.release_id, ours, theirs, None if len(ours) else "no row was predicted by both", digests)


def _common(ours: Predictions, theirs: Predictions) -> tuple[Floats, Floats]:
    keys = [
        dict(zip(zip(each.symbol.tolist(), each.timestamp.tolist(), strict=True), range(len(each)), strict=True))
        for each in (ours, theirs)
    ]
    both = sorted(keys[0].keys() & keys[1].keys())
    losses = []
    for each, place in ((ours, keys[0]), (theirs, keys[1])):
        rows = np.array([place[key] for key in both], dtype=np.int64)
        # Labels are the candidate's: the live run's come from bars that may have been corrected since.
        y = ours.y[np.array([keys[0][key] for key in both], dtype=np.int64)]
        losses.append(daily_means(each.day[rows], log_losses(y, each.student[rows]))[1])
    return losses[0], losses[1]
