"""The files of a window beside a store: what an attempt reads is fetched, the artifact that it wrote is published.

Loads no library that computes: the worker itself does both, beside its pool children.
"""

from collections.abc import Mapping

from schemas.config.training import TrainingConfig
from schemas.contract.artifact import METADATA_KINDS
from schemas.contract.errors import FileError
from schemas.contract.task import Outcome, Role, WindowTask
from schemas.files.atomic import sha256_of
from schemas.files.layout import METADATA, BarsLayout, RunLayout, side_file, universe_file
from schemas.files.run_files import read_model
from schemas.store.mirror import Mirror, has_digest
from schemas.store.together import together


def fetch_bars(task: WindowTask, mirror: Mirror) -> None:
    """Bring the bars here that a window's task names, its side data and its universe."""
    fetch_copies(BarsLayout.under(mirror.data_dir, task.settings.interval), task.bars, mirror)
    fetch_beside(task.settings, mirror)


def fetch_copies(bars: BarsLayout, digests: Mapping[str, str], mirror: Mirror) -> None:
    """Bring bars here, of each symbol those of a digest, beside those that another run reads."""
    missing = [digest for symbol, digest in digests.items() if not has_digest(bars.bars_of(symbol, digest), digest)]
    together(lambda digest: mirror.pull_bars(bars, bars.copy(digest), digest), missing)


def fetch_beside(settings: TrainingConfig, mirror: Mirror) -> None:
    """Bring the side data here that a run's features and label read, and its universe."""
    plugged = settings.plugged
    if settings.members is not None:
        mirror.pull(universe_file(mirror.data_dir, settings.members), settings.members)
    for each in plugged.side_files if plugged is not None else ():
        mirror.pull(side_file(mirror.data_dir, each.name, each.sha256), each.sha256)


def fetch_teacher(task: WindowTask, mirror: Mirror) -> None:
    """Bring the teacher of a student here."""
    if task.role is Role.STUDENT:
        layout = RunLayout.under(mirror.data_dir, task.run_id)
        mirror.pull_artifact(layout.artifact(teacher_label(task), Role.TEACHER))


def teacher_label(task: WindowTask) -> str:
    """Label of the window of a student's teacher."""
    return task.window.in_scope(task.settings.scope).label


def publish_artifact(task: WindowTask, outcome: Outcome, mirror: Mirror) -> Outcome:
    """Publish the artifact of a success; if another attempt was first, the outcome is that of the stored artifact."""
    folder = RunLayout.under(mirror.data_dir, task.run_id).artifact(task.window.label, task.role)
    assert outcome.key is not None
    if mirror.push_artifact(folder, outcome.key):
        return outcome
    metadata = read_model(folder / METADATA, METADATA_KINDS[task.role])
    if metadata.key != outcome.key:
        raise FileError(f"{mirror.key(folder)} in {mirror.store.url} was not made from these inputs; resume the run")
    digests = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    return outcome.model_copy(update={"metrics": outcome.metrics | metadata.metrics, "digests": digests})
