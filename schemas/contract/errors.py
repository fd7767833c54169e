"""One small error tree; each class says when it is raised and what it costs the run."""


class GurukulError(Exception):
    """Base of every error that a person is meant to read: one line, what, where, what next."""


class RequestError(GurukulError):
    """The request cannot be run as written (flag, symbol, date, folder, broker); exit code 2."""


class DataError(GurukulError):
    """Bars or artifacts are missing, malformed or changed since the run began; never retried."""


class PhaseError(GurukulError):
    """A phase could not do its work; the run ends failed, exit code 3."""


class Interrupted(GurukulError):
    """A person or a supervisor stopped the run; it can be resumed."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.signal_number = signal_number


class Cancelled(GurukulError):
    """`orchestrator cancel` asked for the run's end; it can be resumed."""
