"""Counts of a process's requests to its store, and how its last ones ended."""

from contextlib import suppress

from schemas.contract.errors import StoreError
from schemas.contract.presence import LONGEST_ERROR, StoreUse
from schemas.store.store_meter import StoreMeter


def asked(meter: StoreMeter, *errors: str) -> StoreUse:
    """What requests that ended so were counted as; an empty text is a success."""
    for error in errors:
        with suppress(StoreError), meter.request():
            if error:
                raise StoreError(error)
    return meter.take()


def test_the_error_that_requests_began_to_fail_with_is_kept_while_they_fail() -> None:
    """A worker asks again and again meanwhile, in other words; a screen names the first once."""
    meter = StoreMeter()
    use = asked(meter, "", "first", "second") + asked(meter, "third") + asked(meter)
    assert (use.errors, use.last_error, use.is_failing) == (3, "first", True)
    use += asked(meter, "")
    assert (use.errors, use.last_error, use.is_failing) == (3, "first", False)
    use += asked(meter, "fourth" * LONGEST_ERROR, "")
    assert (use.errors, use.last_error[:6], len(use.last_error), use.is_failing) == (4, "fourth", LONGEST_ERROR, False)
    assert asked(meter) == StoreUse()
