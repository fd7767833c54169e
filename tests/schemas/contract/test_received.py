"""What other processes send is read with fields of a later version, and anything else costs one error."""

import json

import pytest
from hypothesis import given

from schemas.contract.event import TrainingEvent
from schemas.contract.presence import Presence
from schemas.contract.received import MOST_BYTES, UnreadableError, received
from schemas.contract.task import Ingested, Outcome, Role, Status
from tests.strategies import examples, junk

NEW = {"of_a_later_version": {"nested": [1]}}
KINDS = (Outcome, Presence, TrainingEvent)


def test_fields_of_a_later_version_are_passed_over_at_any_depth() -> None:
    """Unknown fields are passed over, also in nested values; known ones are read."""
    outcome = Outcome(
        run_id="r", role=Role.INGEST, name="A", attempt=1, device="d0", status=Status.SUCCESS, ingested=Ingested()
    )
    sent = outcome.model_dump(mode="json")
    sent |= NEW | {"ingested": {**sent["ingested"], **NEW, "odd_days": {**sent["ingested"]["odd_days"], **NEW}}}
    assert received(Outcome, json.dumps(sent).encode()) == outcome


@examples(200)
@given(body=junk)
def test_anything_else_is_unreadable(body: bytes) -> None:
    """Any bytes and any JSON cost an UnreadableError with one printable line, and no other error."""
    for kind in KINDS:
        with pytest.raises(UnreadableError) as raised:
            received(kind, body)
        assert str(raised.value).isprintable() and len(str(raised.value)) <= 200


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b" " * (MOST_BYTES + 1), b"9" * 100_000, b"NaN", b"\xff"]
)
def test_deep_and_huge_bodies_are_unreadable(body: bytes) -> None:
    """Depth and length are limited."""
    with pytest.raises(UnreadableError):
        received(Outcome, body)
