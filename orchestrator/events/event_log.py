"""Read a run's event log, which a later version may have written."""

import logging
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from schemas.contract.errors import RequestError
from schemas.contract.event import TrainingEvent
from schemas.contract.received import UnreadableError, received

logger = logging.getLogger(__name__)


def read_log(path: Path) -> Iterator[TrainingEvent]:
    """Yield every event of a log, none if there is no log. Lines that are no event of this version are passed over."""
    if not path.is_file():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield received(TrainingEvent, line)
            except UnreadableError as error:
                logger.warning("%s line %d is passed over: %s", path, number, error)


def unreadable(file: Path, error: OSError) -> RequestError:
    """The error of an event log that cannot be read: why, and where those of runs are."""
    return RequestError(
        f"{file} cannot be read: {error.strerror}; the event log of a run is"
        " DATA_DIR/analytics/training/training_run_RUN_ID.jsonl"
    )


def parse_event(line: bytes, where: str) -> TrainingEvent:
    """Parse one line of a log; RequestError, with `where` and the fault, if it is no event."""
    try:
        return received(TrainingEvent, line)
    except UnreadableError as error:
        raise RequestError(f"{where}: {error}") from None


class _Numbered(BaseModel):
    seq: int


def number_of(body: bytes) -> int | None:
    """The number of an event whose other fields this version may not know; None if it has none."""
    try:
        return received(_Numbered, body).seq
    except UnreadableError:
        return None
