"""A run as a tracking server (MLflow) stores it."""

from pydantic import Field

from schemas.contract.base import Frozen
from schemas.contract.identifiers import RunId
from schemas.contract.requests import Answer


class TrackedFile(Frozen):
    """A file or a folder, and the folder of the run's artifacts on the server that receives it."""

    path: str
    folder: str


class TrackedRun(Frozen):
    """Asks to store a judged run on the server at `uri`, under the experiment of that name, which is made if needed.

    `ended_ms`: when the run was judged, in milliseconds since 1970. `tags`, `params` and `metrics` by name.
    """

    uri: str
    experiment: str
    run_id: RunId
    began_ms: int
    ended_ms: int
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]
    files: tuple[TrackedFile, ...] = Field(min_length=1)


class Tracked(Answer):
    """Where the server shows the run, and whether it was there already and was stored again."""

    url: str = ""
    again: bool = False
