"""Wait for a condition instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Looks are as far apart as a twentieth of the time waited, between these bounds: some take as much CPU as the work that
# they wait for, such as a page of a browser or a list of all processes.
SHORTEST_POLL_S, LONGEST_POLL_S = 0.02, 0.1


def wait_for(condition: Callable[[], T | None], what: str, within_s: float = 60.0) -> T:
    """The first true value of `condition`; AssertionError names `what` if none comes in time."""
    began = time.monotonic()
    while (waited_s := time.monotonic() - began) < within_s:
        if value := condition():
            return value
        time.sleep(min(max(SHORTEST_POLL_S, waited_s / 20), LONGEST_POLL_S))
    raise AssertionError(f"{what} did not come within {within_s:g} s")
