"""What tests of the dispatcher share: a ledger, a fleet to play, and a server that may be taken away."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.broker import embedded as broker
from orchestrator.ledger.ledger import Ledger
from tests.doubles.playing import Breakable, Played, playing


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new run's ledger."""
    with closing(Ledger.create(tmp_path / "ledger.db")) as opened:
        yield opened


@pytest.fixture
def played(server: str) -> Iterator[Played]:
    """A fleet without a worker on an empty server."""
    with playing(server) as fleet:
        yield fleet


@pytest.fixture
def breakable() -> Iterator[Breakable]:
    """A server of the test's own; at the end it is back, so that it can be ended."""
    with broker.embedded() as url:
        server = Breakable(url)
        yield server
        server.bring_back()
