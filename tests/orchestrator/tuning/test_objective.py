"""The value of a trial after each of its steps."""

from contextlib import closing
from datetime import date

from orchestrator.ledger.ledger import Ledger
from orchestrator.tuning.objective import improvement
from schemas.contract.task import Outcome, Role, Status

FIRST, SECOND = "A_2020-01-01_to_2020-04-01", "panel_2020-01-01_to_2020-07-01"


def test_a_step_counts_the_windows_to_its_day_alone() -> None:
    """Also where a resumed trial has trained later ones: the value of a step is the same after a kill."""
    with closing(Ledger.in_memory()) as ledger:
        ledger.add(Role.STUDENT, [FIRST, SECOND, "B_2020-01-01_to_2020-04-01"])
        for name, rows, loss in ((FIRST, 10, 0.6), (SECOND, 30, 0.5)):
            ledger.record(
                Outcome(
                    run_id="s.t0001", role=Role.STUDENT, name=name, attempt=ledger.send(Role.STUDENT, name, "cpu0"),
                    device="cpu0", status=Status.SUCCESS,
                    metrics={"scored_rows": rows, "scored_log_loss": loss, "scored_prior_log_loss": 0.7},
                )
            )  # fmt: skip

        def at(day: date) -> float | None:
            found = improvement(ledger.records(Role.STUDENT), day)
            return None if found is None else round(found, 12)

        assert at(date(2020, 3, 31)) is None
        assert at(date(2020, 4, 1)) == 0.1
        assert at(date(2020, 7, 1)) == round((10 * 0.1 + 30 * 0.2) / 40, 12)
