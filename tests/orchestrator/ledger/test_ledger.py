"""The ledger on real SQLite files: late outcomes change nothing, numbers only rise, transactions are whole."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.ledger import HEARTBEAT_S, Ledger, WorkRecord
from orchestrator.ledger.migrations import NAMES_STORED
from orchestrator.ledger.run_status import current_owner
from schemas.contract.errors import FileError
from schemas.contract.run import Phase
from schemas.contract.task import FailureClass, Outcome, Role, Status
from schemas.contract.window import SkipReason
from tests.strategies import examples

NAME = "M&M_2022-01-01_to_2022-06-30"


def new_ledger(path: Path) -> Ledger:
    """A ledger with one teacher entered."""
    ledger = Ledger.create(path)
    ledger.add(Role.TEACHER, [NAME])
    return ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of the ledger."""
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    """An open ledger with one teacher entered."""
    with closing(new_ledger(path)) as opened:
        yield opened


def outcome(attempt: int, status: Status = Status.SUCCESS, **values: Any) -> Outcome:
    """An outcome of an attempt at the teacher."""
    return Outcome(run_id="r", role=Role.TEACHER, name=NAME, attempt=attempt, device="cpu-0", status=status, **values)


def the_work(ledger: Ledger) -> WorkRecord:
    """The one teacher's record."""
    (record,) = ledger.records(Role.TEACHER)
    return record


def attempts(path: Path) -> list[tuple[int, str | None, str | None]]:
    """(attempt, status, failure) of every attempt in the file."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT attempt, status, failure FROM attempts ORDER BY attempt").fetchall()


def test_an_outcome_is_kept_whole(ledger: Ledger) -> None:
    """The ledger returns every field of an outcome as it was reported."""
    reported = outcome(
        ledger.send(Role.TEACHER, NAME, "cpu-0"),
        metrics={"rounds": 17, "tail_log_loss": 0.6931, "note": "x", "flag": True, "none": None},
        digests={"metadata.json": "ab" * 32},
        key="cd" * 32,
        reused_from="last_night",
        duration_seconds=1.5,
    )
    assert ledger.record(reported)
    record = the_work(ledger)
    assert (record.state, record.status, record.attempt, record.device) == ("done", Status.SUCCESS, 1, "cpu-0")
    assert (record.metrics, record.digests, record.duration_seconds) == (reported.metrics, reported.digests, 1.5)
    assert (record.key, record.reused_from) == (reported.key, reported.reused_from)


def test_a_failure_is_kept_with_its_reason(ledger: Ledger, path: Path) -> None:
    """A failed attempt keeps its class, sentence and traceback, on the work and on the attempt."""
    attempt = ledger.send(Role.TEACHER, NAME, "cpu-0")
    ledger.record(outcome(attempt, Status.FAILED, failure=FailureClass.BUG, message="no", traceback="at line 1"))
    record = the_work(ledger)
    assert (record.failure, record.message, record.traceback) == (FailureClass.BUG, "no", "at line 1")
    assert attempts(path) == [(1, "failed", "bug")]


def test_a_late_outcome_changes_nothing(ledger: Ledger) -> None:
    """An outcome of an attempt that another one has replaced is refused; the newest one's counts."""
    first = ledger.send(Role.TEACHER, NAME, "cpu-0")
    assert ledger.retry(Role.TEACHER, NAME, first, FailureClass.LOST, "silent")
    second = ledger.send(Role.TEACHER, NAME, "cpu-1")
    before = the_work(ledger)
    assert not ledger.record(outcome(first, message="late"))
    assert the_work(ledger) == before
    assert ledger.record(outcome(second, message="in time"))
    assert the_work(ledger).message == "in time"


def test_a_late_outcome_is_refused_while_the_work_waits(ledger: Ledger) -> None:
    """Between two attempts, when the work is pending again, the lost one's outcome no longer counts."""
    first = ledger.send(Role.TEACHER, NAME, "cpu-0")
    assert ledger.retry(Role.TEACHER, NAME, first, FailureClass.LOST, "silent")
    assert not ledger.record(outcome(first))
    assert (the_work(ledger).state, the_work(ledger).status) == ("pending", None)


def test_an_outcome_counts_once(ledger: Ledger) -> None:
    """The same outcome delivered again, or another one of the same attempt, is refused."""
    attempt = ledger.send(Role.TEACHER, NAME, "cpu-0")
    assert ledger.record(outcome(attempt, message="first"))
    assert not ledger.record(outcome(attempt, message="first"))
    assert not ledger.record(outcome(attempt, Status.FAILED, failure=FailureClass.BUG, message="second"))
    assert (the_work(ledger).status, the_work(ledger).message) == (Status.SUCCESS, "first")


def test_an_outcome_of_unsent_work_is_refused(ledger: Ledger) -> None:
    """An outcome of work that was never sent, of an unknown attempt number, or of unknown work changes nothing."""
    assert not ledger.record(outcome(0))
    assert not ledger.record(outcome(1))
    ledger.send(Role.TEACHER, NAME, "cpu-0")
    assert not ledger.record(outcome(2))
    assert not ledger.record(outcome(1).model_copy(update={"name": "unknown"}))
    assert not ledger.record(outcome(1).model_copy(update={"role": Role.STUDENT}))
    assert the_work(ledger).state == "sent"


def test_work_that_has_ended_is_not_lost_any_more(ledger: Ledger) -> None:
    """An attempt whose outcome is in, or that another one has replaced, cannot be ended as lost."""
    first = ledger.send(Role.TEACHER, NAME, "cpu-0")
    assert ledger.record(outcome(first))
    assert not ledger.retry(Role.TEACHER, NAME, first, FailureClass.LOST, "silent")
    assert the_work(ledger).status is Status.SUCCESS


def test_settled_work_keeps_the_number_of_its_attempts(ledger: Ledger) -> None:
    """Work that was sent, then settled without a worker, then reopened, keeps counting its attempts."""
    ledger.send(Role.TEACHER, NAME, "cpu-0")
    ledger.settle([outcome(0, Status.FAILED, failure=FailureClass.DATA)])
    ledger.reopen(Role.TEACHER, [NAME])
    assert ledger.send(Role.TEACHER, NAME, "cpu-0") == 2


def test_retry_raises_the_attempt(ledger: Ledger, path: Path) -> None:
    """Each new attempt has the next number; ended ones stay on record with their reason."""
    for number, failure in enumerate((FailureClass.LOST, FailureClass.OOM), start=1):
        assert ledger.send(Role.TEACHER, NAME, "cpu-0") == number
        assert ledger.retry(Role.TEACHER, NAME, number, failure, "again")
    assert ledger.send(Role.TEACHER, NAME, "cpu-1") == 3
    assert attempts(path) == [(1, "failed", "lost"), (2, "failed", "oom"), (3, None, None)]


def test_reopened_work_is_pending_and_its_next_number_is_higher(ledger: Ledger) -> None:
    """Work reopened after it ended counts as pending; its old outcome is refused, its next number was never used."""
    first = ledger.send(Role.TEACHER, NAME, "cpu-0")
    ledger.record(outcome(first))
    ledger.reopen(Role.TEACHER, [NAME])
    assert ledger.counts(Role.TEACHER) == {"pending": 1}
    assert not ledger.record(outcome(first))
    assert ledger.send(Role.TEACHER, NAME, "cpu-0") == first + 1
    assert not ledger.record(outcome(first))
    assert ledger.record(outcome(first + 1))


def test_reopening_takes_back_what_is_out(ledger: Ledger) -> None:
    """Work that a killed run had sent is pending once reopened, and the outcome of that attempt is refused."""
    attempt = ledger.send(Role.TEACHER, NAME, "cpu-0")
    ledger.reopen(Role.TEACHER, [NAME])
    assert the_work(ledger).state == "pending"
    assert not ledger.record(outcome(attempt))


def test_entering_again_changes_nothing(ledger: Ledger) -> None:
    """Work that is entered already stays as it is when a resumed run enters its plan again."""
    ledger.record(outcome(ledger.send(Role.TEACHER, NAME, "cpu-0")))
    ended = the_work(ledger)
    ledger.add(Role.TEACHER, [NAME, "another"])
    assert [record.name for record in ledger.records(Role.TEACHER)] == [NAME, "another"]
    assert next(ledger.records(Role.TEACHER)) == ended


def test_settled_work_is_done_without_an_attempt(ledger: Ledger) -> None:
    """A window that the plan skips is done from the start, with its reason, and never sent."""
    skipped = outcome(0, Status.SKIPPED, reason=SkipReason.NO_DATA, message="no bars")
    ledger.settle([skipped.model_copy(update={"name": "other"})])
    record = list(ledger.records(Role.TEACHER))[1]
    assert (record.state, record.status, record.reason) == ("done", Status.SKIPPED, "no_data")
    assert record.attempt == 0
    assert ledger.counts(Role.TEACHER) == {"pending": 1, "skipped": 1}


def test_roles_do_not_mix(ledger: Ledger) -> None:
    """A teacher and a student of one window are two pieces of work."""
    ledger.add(Role.STUDENT, [NAME])
    ledger.record(outcome(ledger.send(Role.TEACHER, NAME, "cpu-0")))
    assert ledger.counts(Role.TEACHER) == {"success": 1}
    assert ledger.counts(Role.STUDENT) == {"pending": 1}


def test_all_survives_closing(path: Path) -> None:
    """All recorded data is there after the file is closed and opened again."""
    with closing(new_ledger(path)) as ledger:
        ledger.record(outcome(ledger.send(Role.TEACHER, NAME, "cpu-0")))
        ledger.set(status="interrupted", note="x")
        ledger.begin_phase(Phase.TEACHER_TRAINING)
        before = (list(ledger.records(Role.TEACHER)), ledger.phases())
    with closing(Ledger(path)) as again:
        assert (list(again.records(Role.TEACHER)), again.phases()) == before
        assert (again.get("status"), again.get("note"), again.get("nothing")) == ("interrupted", "x", None)


def test_phases_come_in_their_order(ledger: Ledger) -> None:
    """Phases are listed in the order of the seven whichever began first, with status and duration."""
    for phase in (Phase.STUDENT_TRAINING, Phase.DATA_INGESTION):
        ledger.begin_phase(phase)
    seconds = ledger.end_phase(Phase.STUDENT_TRAINING, "failed", "too many")
    ingestion, training = ledger.phases()
    assert (ingestion.name, ingestion.status, ingestion.duration_seconds) == ("data_ingestion", "in_progress", None)
    assert (training.name, training.status, training.message) == ("student_training", "failed", "too many")
    assert training.duration_seconds == pytest.approx(seconds)


def test_a_heartbeat_is_written_at_most_once_in_its_interval(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is written at once, the next after `HEARTBEAT_S`, and one after the clock was set back as well."""
    ledger.take(current_owner())
    start_s, found = 1_800_000_000.0, []
    for later_s in (0.0, HEARTBEAT_S / 2, HEARTBEAT_S, -60.0):
        monkeypatch.setattr("orchestrator.ledger.ledger.time.time", lambda now=start_s + later_s: now)
        ledger.beat()
        owner = ledger.owner()
        assert owner is not None and owner.heartbeat is not None
        found.append(owner.heartbeat - start_s)
    assert found == [0.0, 0.0, HEARTBEAT_S, -60.0]


def test_a_ledger_is_created_once(ledger: Ledger, path: Path) -> None:
    """A second ledger in the same place is refused, and the first is untouched."""
    with pytest.raises(FileExistsError):
        Ledger.create(path)
    assert the_work(ledger).state == "pending"


def test_a_missing_ledger_is_one_readable_line(path: Path) -> None:
    """Opening a missing ledger names the file in one line, and creates none."""
    with pytest.raises(FileError, match=r"ledger.db is missing; restore it") as caught:
        Ledger(path)
    assert "\n" not in str(caught.value)
    assert not path.exists()


def test_a_newer_ledger_is_refused(path: Path) -> None:
    """A file of a newer version is refused with both versions."""
    new_ledger(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {NAMES_STORED + 98}")
    with pytest.raises(FileError, match=rf"version {NAMES_STORED + 98}\b.*\b{NAMES_STORED}\b"):
        Ledger(path)


def test_a_reason_that_there_is_not_is_a_damaged_ledger(path: Path, ledger: Ledger) -> None:
    """As a damaged record is: an error of the database, for which every reader is prepared."""
    ledger.settle([outcome(0, Status.SKIPPED, reason=SkipReason.NO_DATA)])
    assert ledger.skips(Role.TEACHER) == {NAME: SkipReason.NO_DATA}
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE work SET reason = 'no_dat'")
    with pytest.raises(sqlite3.DatabaseError, match="damaged at a teacher: 'no_dat'"):
        ledger.skips(Role.TEACHER)


def test_an_error_within_a_transaction_undoes_it(ledger: Ledger) -> None:
    """If the third of three settled windows cannot be entered, none is, and the ledger stays usable."""

    def broken() -> Iterator[Outcome]:
        for name in ("one", "two"):
            yield outcome(0, Status.SKIPPED).model_copy(update={"name": name})
        raise RuntimeError("the plan broke off")

    with pytest.raises(RuntimeError, match="broke off"):
        ledger.settle(broken())
    assert [record.name for record in ledger.records(Role.TEACHER)] == [NAME]
    assert ledger.send(Role.TEACHER, NAME, "cpu-0") == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from orchestrator.ledger.ledger import Ledger
from schemas.contract.task import Outcome, Role, Status

ledger = Ledger(Path(sys.argv[1]))
assert ledger.send(Role.TEACHER, sys.argv[2], "cpu-0") == 1

def outcomes():
    for name in ("one", "two"):
        yield Outcome(run_id="r", role=Role.TEACHER, name=name, attempt=0, device="", status=Status.SKIPPED)
    os.kill(os.getpid(), signal.SIGKILL)

ledger.settle(outcomes())
"""


def test_a_kill_leaves_whole_transactions_only(path: Path) -> None:
    """A process killed inside a transaction leaves none of it, and all of the one before."""
    new_ledger(path).close()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path), NAME], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with closing(Ledger(path)) as again:
        assert (the_work(again).name, the_work(again).state, the_work(again).attempt) == (NAME, "sent", 1)
        assert again.record(outcome(1))


@examples(60)
@given(steps=st.lists(st.sampled_from(["go on", "lose", "reopen", "answer", "answer late"]), max_size=25))
def test_only_the_newest_attempt_can_end_the_work(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """In any order of sending, losing, reopening and reporting, numbers only rise and only the newest counts."""
    with closing(new_ledger(tmp_path_factory.mktemp("steps") / "ledger.db")) as ledger:
        sent = 0
        for step in steps:
            state = the_work(ledger).state
            if step == "go on" and state == "pending":
                assert ledger.send(Role.TEACHER, NAME, "cpu-0") == sent + 1
                sent += 1
            elif step == "lose" and state == "sent":
                assert ledger.retry(Role.TEACHER, NAME, sent, FailureClass.LOST, "silent")
            elif step == "reopen":
                ledger.reopen(Role.TEACHER, [NAME])
            elif step == "answer":
                assert ledger.record(outcome(sent)) is (state == "sent")
            elif step == "answer late":
                before = the_work(ledger)
                assert not any(ledger.record(outcome(number)) for number in range(sent))
                assert the_work(ledger) == before
            assert the_work(ledger).attempt == sent
            assert (the_work(ledger).status is None) == (the_work(ledger).state != "done")


def test_reading_does_not_write(path: Path) -> None:
    """A read-only ledger sees what a writer has committed, lets it go on, refuses to write, and leaves no file."""
    with closing(new_ledger(path)) as writer, closing(Ledger(path, read_only=True)) as reader:
        attempt = writer.send(Role.TEACHER, NAME, "cpu0")
        assert reader.sent() == {(Role.TEACHER, NAME): (attempt, "cpu0")}
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.set(status="running")
        writer.set(status="running")
        assert reader.get("status") == "running"
    assert [each.name for each in path.parent.iterdir()] == ["ledger.db"]
    with closing(Ledger(path, read_only=True)) as reader:
        assert reader.get("status") == "running"
        assert [each.name for each in path.parent.iterdir()] == ["ledger.db"]
    assert [each.name for each in path.parent.iterdir()] == ["ledger.db"]


def test_a_killed_run_can_be_read(path: Path) -> None:
    """The commits of a killed writer are read from its write-ahead log, which stays for `resume`."""
    code = (
        "import os, pathlib, signal, sys; from orchestrator.ledger.ledger import Ledger;"
        " Ledger.create(pathlib.Path(sys.argv[1])).set(status='running'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == -signal.SIGKILL
    log = path.with_name("ledger.db-wal").read_bytes()
    assert log
    with closing(Ledger(path, read_only=True)) as reader:
        assert reader.get("status") == "running"
    assert path.with_name("ledger.db-wal").read_bytes() == log
