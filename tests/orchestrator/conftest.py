"""Fixtures of the dispatcher's tests: a ledger, a played fleet, and a server that can be stopped."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.broker import embedded
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
    """A server for one test; it runs again at the end, so that it can be shut down."""
    with embedded.server() as url:
        server = Breakable(url)
        yield server
        server.bring_back()
