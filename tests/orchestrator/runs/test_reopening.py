"""`resume` trains again what differs from what the ledger recorded."""

from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.ledger.ledger import Ledger
from orchestrator.runs.session import reopen_broken
from schemas.contract.task import Outcome, Role, Status
from schemas.files.atomic import sha256_of, write_atomic
from schemas.files.layout import RunLayout

FILES = ("metadata.json", "predictions.parquet")


@pytest.mark.parametrize("name", FILES)
def test_a_window_is_reopened_if_any_of_its_files_differs(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only its metadata counts: changed predictions would be refused by the judging that follows."""
    # Whether metadata is of the run is tried in tests/workers/artifacts/test_planted.py.
    monkeypatch.setattr("orchestrator.runs.session.foreign_end", lambda *_: "")
    layout = RunLayout.under(tmp_path, "run")
    folder = layout.artifact("w", Role.STUDENT)
    for each in FILES:
        write_atomic(folder / each, each)
    digests = {each: sha256_of(folder / each) for each in FILES}
    with closing(Ledger.create(layout.ledger)) as ledger:
        ledger.add(Role.STUDENT, ["w"])
        attempt = ledger.send(Role.STUDENT, "w", "cpu0")
        ledger.record(
            Outcome(
                run_id="run", role=Role.STUDENT, name="w", attempt=attempt, device="cpu0", status=Status.SUCCESS,
                digests=digests,
            )
        )  # fmt: skip
        assert reopen_broken(ledger, layout, None) == []
        (folder / name).write_text("changed")
        assert reopen_broken(ledger, layout, None) == ["student w"]
        assert not folder.exists()
