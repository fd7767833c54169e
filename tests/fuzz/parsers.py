"""All parsers that are fuzzed, by name, and an input of each by its seed."""

import random
from collections.abc import Sequence
from functools import cache

from tests.fuzz import addresses, broker, models, people, run_files, stored_logs

PARSERS = {
    **people.PARSERS,
    **broker.PARSERS,
    **run_files.PARSERS,
    **stored_logs.PARSERS,
    **models.PARSERS,
    **addresses.PARSERS,
}


@cache
def good(name: str) -> Sequence[bytes]:
    """Inputs that a parser accepts."""
    return PARSERS[name].good()


def mutated(name: str, seed: int) -> bytes:
    """A good input of a parser with a few changes."""
    return PARSERS[name].mutate(random.Random(seed), good(name))
