"""What a check of a host, a broker or a store has found."""

from enum import StrEnum

from schemas.contract.base import Frozen


class CheckState(StrEnum):
    """How a check ended: as it should be, a risk, or a fault that keeps a run or a worker from its work."""

    OK = "ok"
    NOTE = "note"
    FAULT = "fault"


class Check(Frozen):
    """One finding: what was checked, the state, and a text that names the remedy unless all is well.

    The text of a broker's check continues the words "the broker".
    """

    name: str
    state: CheckState
    text: str
