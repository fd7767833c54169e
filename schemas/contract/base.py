"""What every schema shares: frozen, and no field that nobody declared."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value that crosses a boundary: immutable, unknown fields refused, NaN refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
