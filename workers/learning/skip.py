"""The exception of a window that cannot be trained."""

from schemas.contract.window import SkipReason


class Skip(Exception):
    """A window cannot be trained; carries the reason code and a sentence."""

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
