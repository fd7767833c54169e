"""What the end of a run prints of windows that failed."""

from contextlib import closing
from pathlib import Path

from orchestrator.ledger.ledger import Ledger
from orchestrator.runs.summary import failed_windows
from schemas.contract.task import FailureClass, Outcome, Role, Status


def test_what_failed_for_one_reason_is_one_sentence(tmp_path: Path) -> None:
    """A plug-in that all windows refuse is named once, with their number and the first; classes are apart."""

    def failed(role: Role, name: str, failure: FailureClass, message: str) -> Outcome:
        return Outcome(
            run_id="r", role=role, name=name, attempt=0, device="", status=Status.FAILED, failure=failure,
            message=message,
        )  # fmt: skip

    with closing(Ledger.create(tmp_path / "ledger.db")) as ledger:
        names = [f"A_{number}" for number in range(3)]
        ledger.settle(failed(Role.TEACHER, each, FailureClass.DATA, "it reads later bars") for each in names)
        ledger.settle([failed(Role.TEACHER, "B_0", FailureClass.TIMEOUT, "it ran too long")])
        ledger.settle([failed(Role.STUDENT, "B_0", FailureClass.TIMEOUT, "its teacher failed: it ran too long")])
        assert failed_windows(ledger) == {
            FailureClass.DATA: ["3 teachers, the first A_0 (data): it reads later bars"],
            FailureClass.TIMEOUT: [
                "teacher B_0 (time limit): it ran too long",
                "student B_0 (time limit): its teacher failed",
            ],
        }
