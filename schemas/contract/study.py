"""A study of `tune`: what it searches, and one record per trial."""

from enum import StrEnum

from pydantic import Field

from schemas.config.tuning import Space, StudySettings, Value
from schemas.contract.base import Frozen
from schemas.contract.identifiers import RunId


class Study(Frozen):
    """`study.json`: what a study varies, and how; all else is in its `run.json`.

    `plugins`: the plug-in files that each choice of features uses, by the choice.
    """

    settings: StudySettings
    space: Space
    plugins: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class TrialState(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


class StudyTrial(Frozen):
    """A line of `study.jsonl`: a trial that ended. It holds no time or device: a resumed study has the same lines.

    `number` 0 is the configuration of the run itself, without a change. `chosen` has what the trial changed, by name.
    `value` is the objective on all scored days, None unless the trial is complete; `steps` has the improvement of log
    loss over the base rate, on all rows that were scored after the first, second, ... windows. `windows`: students that
    were scored. `same_as`: the earlier trial with the same settings, whose result this is.
    """

    number: int
    run_id: RunId
    chosen: dict[str, Value]
    state: TrialState
    value: float | None = None
    steps: tuple[float | None, ...] = ()
    windows: int = 0
    message: str = ""
    same_as: int | None = None
