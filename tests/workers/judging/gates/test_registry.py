"""The seam of gates: what a new gate needs, and that the names that the orchestrator sends are the registered ones."""

from collections.abc import Iterator

import pytest

from schemas.config.judgement import GATES, GateSettings
from schemas.contract.folders import Folders
from schemas.contract.judgement import GateReport, Ruling
from schemas.contract.task import FailureClass, Role, RunTask, Status
from schemas.files.atomic import sha256_of
from schemas.files.layout import RunLayout, audit_folder
from schemas.files.run_files import read_manifest, read_model, write_model
from tests.workers.judging.runs import RUN, stored_run
from workers.handlers.execute import attempt
from workers.judging.evidence import Evidence
from workers.judging.gates import JUDGES
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_least
from workers.judging.gates.registry import gate
from workers.judging.validation import validate

QUESTION = "Are there enough rows?"


def enough_rows(evidence: Evidence) -> Findings:
    """A gate of one criterion, with a digest, a number and draws of its own."""
    rows = len(evidence.predictions)
    criterion = at_least("rows", rows, 100, f"{rows} rows", n=rows)
    return Findings((criterion,), {"extra.csv": "0" * 64}, {"S0": {"rows": rows}}, ("S0",), {"rows": (1.0, 2.0)})


@pytest.fixture
def toy() -> Iterator[str]:
    """The name of a gate that is registered for one test."""
    gate("toy", QUESTION)(enough_rows)
    yield "toy"
    del JUDGES["toy"]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    """A validated run."""
    settings = GateSettings(repetitions=300, permutations=200)
    found = stored_run(tmp_path_factory.mktemp("registry"), days=320, gates=settings)
    write_model(found.validation, validate(found))
    audit_folder(read_manifest(found).config.release_dir, RUN).mkdir(parents=True)
    return found


def task(name: str) -> RunTask:
    """The task that the orchestrator sends to have one gate judged."""
    return RunTask(run_id=RUN, role=Role.STATISTICS, gate=name)


def test_every_gate_that_the_orchestrator_sends_is_registered() -> None:
    """The names in the schemas are the registered ones: the orchestrator cannot import the registry."""
    assert sorted(JUDGES) == sorted(GATES)
    assert len(set(GATES)) == len(GATES)


def test_a_registered_gate_is_judged_by_its_name(layout: RunLayout, toy: str) -> None:
    """A registered function needs no other edit in the workers: a task with its name leaves its report."""
    outcome = attempt(task(toy), "cpu0@here", Folders(data_dir=str(layout.data_dir)))
    assert outcome.status is Status.SUCCESS, outcome.traceback
    assert outcome.metrics["passed"] is True
    report = read_model(layout.gate(toy), GateReport)
    assert outcome.digests == {"toy.json": sha256_of(layout.gate(toy))}
    assert (report.gate.name, report.gate.question) == (toy, QUESTION)
    assert [each.ruling for each in report.gate.criteria] == [Ruling.PASS]
    assert report.symbols == {"S0": {"rows": report.gate.criteria[0].n}}
    assert (report.passing, report.draws) == (("S0",), {"rows": (1.0, 2.0)})
    shared = {"validation.json": sha256_of(layout.validation)}
    assert report.gate.inputs.items() >= (shared | {"extra.csv": "0" * 64}).items()


def test_an_unknown_gate_fails_with_the_known_names(layout: RunLayout) -> None:
    """A task for a gate that no module registers is a data failure whose message lists the registered names."""
    outcome = attempt(task("toy"), "cpu0@here", Folders(data_dir=str(layout.data_dir)))
    assert outcome.failure is FailureClass.DATA
    assert "'toy'" in outcome.message
    assert all(name in outcome.message for name in GATES)


def test_a_name_is_registered_once(toy: str) -> None:
    """A second gate of the same name is refused instead of replacing the first."""
    with pytest.raises(ValueError, match="'toy' is already registered"):
        gate(toy, QUESTION)(enough_rows)
