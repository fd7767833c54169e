"""A signal ends the work even if a library swallows the exception."""

import os
import signal
from contextlib import suppress

import pytest

from orchestrator.runs.runtime import signals_raise
from schemas.contract.errors import Interrupted


@pytest.mark.parametrize(("number", "words"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_swallowed_interruption_is_raised_again(number: signal.Signals, words: str) -> None:
    """An interruption that a broad `except` caught is raised again at the next step; without a signal nothing is."""
    with signals_raise() as interrupted:
        interrupted()
        with suppress(Exception):
            os.kill(os.getpid(), number)
        with pytest.raises(Interrupted, match=f"stopped by {words}"):
            interrupted()


def test_handlers_are_as_before_afterwards() -> None:
    """After the block a signal has its earlier handler."""
    before = signal.getsignal(signal.SIGINT)
    with signals_raise():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
