"""The side data of a run: read in a process of its own before the run, then stored by digest."""

from collections.abc import Collection, Iterable
from pathlib import Path

from orchestrator.runs.worker_process import ask
from schemas.config.bars import NO_CALENDAR
from schemas.config.interval import Interval
from schemas.config.run import RunConfig
from schemas.config.side import SideChoice, SideRequest
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import RequestError
from schemas.contract.quality import Verdict
from schemas.contract.requests import FeatureFacts, LabelFacts, SideQuestion, SideReport
from schemas.contract.side import SideCoverage
from schemas.files.atomic import sha256_of, write_atomic
from schemas.files.layout import side_file

# Where a preflight keeps side data, in the folder for what it has read of bars.
SCRATCH = ".side"


def read_side(
    config: RunConfig, zone: str, readers: Collection[FeatureFacts | LabelFacts], scratch: Path | None
) -> tuple[SideCoverage, ...]:
    """Read the side data of a run's features and its label; times without an offset are of `zone`.

    RequestError for a faulty file, one that is missing, and one without use.
    """
    requests = config.side_requests
    refuse_other_names(requests, readers)
    if not requests:
        return ()
    out = None if scratch is None else str(scratch / SCRATCH)
    question = SideQuestion(files=requests, timezone=zone, out=out)
    return ask("side", question, SideReport).files


def refuse_other_names(requests: Iterable[SideRequest], readers: Iterable[FeatureFacts | LabelFacts]) -> None:
    """RequestError unless the files are those that the features and the label read."""
    needed = {name: each for each in readers for name in each.side}
    given = [each.name for each in requests]
    for name, reader in needed.items():
        if name not in given:
            noun = "label" if isinstance(reader, LabelFacts) else "feature"
            raise RequestError(
                f"{noun} {reader.name} of {reader.source} reads side data {name}; give --side {name}=FILE"
            )
    for name in given:
        if name not in needed:
            raise RequestError(
                f"--side {name} is read by no feature of this run and not by its label; leave it out, or name in"
                f" --features or --label one that has side={name!r}"
            )


def side_choice(
    calendar: str, interval: Interval, found: Iterable[SideCoverage], readers: Collection[FeatureFacts | LabelFacts]
) -> SideChoice | None:
    """What decides the values of side data that some features, or a label, see of a bar; None if they read none."""
    names = {name for each in readers for name in each.side}
    files = tuple(each.file for each in found if each.name in names)
    if not files:
        return None
    return SideChoice(calendar=calendar, interval=interval, files=files)


def keep_side(found: Iterable[SideCoverage], scratch: Path, data_dir: str) -> None:
    """Move side data that a preflight has read into the data folder, unless they are stored there."""
    for each in found:
        path = side_file(data_dir, each.name, each.sha256)
        if not path.is_file():
            write_atomic(path, side_file(scratch / SCRATCH, each.name, each.sha256).read_bytes())


def refuse_missing_side(manifest: RunManifest) -> None:
    """RequestError if side data of a run are no longer stored on this host."""
    for each in manifest.side:
        path = side_file(manifest.config.data_dir, each.name, each.sha256)
        if not path.is_file() or sha256_of(path) != each.sha256:
            raise RequestError(
                f"{path}, side data of run {manifest.run_id}, is missing or damaged; start a new run with --reuse"
            )


def side_sentences(found: Iterable[SideCoverage], calendar: str) -> list[str]:
    """What was read, what is wrong with it, and what a missing calendar means for it."""
    sentences = []
    for each in found:
        sentences.append(each.sentence)
        sentences += [finding.sentence for finding in each.findings if finding.verdict is not Verdict.OK]
    if sentences and calendar == NO_CALENDAR:
        sentences.append(
            "without a calendar the close of a bar is not known, so a bar sees the side data known when it begins; give"
            " --calendar"
        )
    return sentences
