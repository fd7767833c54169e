"""What a run publishes so that runs share a fleet."""

from pydantic import Field

from schemas.contract.base import Frozen

SHARE_EXPIRY_S = 5.0


class Share(Frozen):
    """A run's `priority`, how many attempts it has out or waiting, and the slot seconds that it used of late."""

    priority: float = Field(gt=0, le=1000)
    wanted: int = Field(ge=0)
    used_s: float = Field(ge=0)
