"""Gates of plug-in files: what they return, and what becomes of those that fail."""

from pathlib import Path

import pytest

from schemas.contract.errors import DataError, RequestError
from schemas.contract.gate_declarations import criterion
from schemas.contract.judgement import Part, Ruling
from schemas.contract.plugin_source import PLUGINS_ENV
from schemas.files.run_files import write_model
from tests.workers.judging.runs import stored_run
from workers.handlers import own_gate
from workers.judging.evidence import load
from workers.judging.plugged_gate import gates_here, judge
from workers.judging.validation import validate
from workers.plugins.loading import using_plugins

JUDGES = """import os
import gurukul as gk

@gk.gate("Does it trade little?", decides=True)
def turnover(evidence):
    traded = evidence.validation.trading["student"].turnover_a_day
    return [gk.criterion("daily turnover", traded, "it is so", at_most=1000.0, n=evidence.validation.days),
            gk.criterion("number of rows", len(evidence.predictions), "they are so")]

@gk.gate("Is it divided?")
def divides(evidence):
    return 1 / 0

@gk.gate("Is it true?")
def truth(evidence):
    return True

@gk.gate("Is it left?")
def leaves(evidence):
    os._exit(7)
"""


@pytest.fixture
def judges(tmp_path: Path) -> Path:
    path = tmp_path / "judges.py"
    path.write_text(JUDGES)
    return path


def test_a_gate_sees_the_evidence_of_the_built_in_ones(tmp_path: Path, judges: Path) -> None:
    """Its criteria decide or warn as it declares, without a bound they inform; a fault names the user's line."""
    run = stored_run(tmp_path)
    write_model(run.validation, validate(run))
    evidence = load(run, tmp_path)
    with using_plugins([str(judges)]):
        known = gates_here()
        assert list(known) == ["turnover", "divides", "truth", "leaves"]
        assert known["turnover"].decides and not known["truth"].decides
        bound, count = judge("turnover", evidence).gate.criteria
        assert (bound.part, bound.ruling, bound.n) == (Part.HARD, Ruling.PASS, evidence.validation.days)
        assert (count.part, count.statistic) == (Part.INFORMS, evidence.validation.rows)
        with pytest.raises(DataError, match=r"judges.py line 12: ZeroDivisionError"):
            judge("divides", evidence)
        with pytest.raises(DataError, match=r"gate truth returns no criteria; return gk.criterion"):
            judge("truth", evidence)


def test_no_gate_ends_a_worker(tmp_path: Path, judges: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ends its process, or takes too long, is not computable: a warning, and a hold if it decides."""
    run = stored_run(tmp_path)
    write_model(run.validation, validate(run))
    with using_plugins([str(judges)]):
        gates = gates_here()
        report = own_gate.judged_apart(run, gates["leaves"], tmp_path, "key")
        (left,) = report.gate.criteria
        assert not report.key  # so that no later run adopts it
        assert (left.part, left.ruling) == (Part.WARNING, Ruling.NOT_COMPUTABLE)
        assert "gate leaves ended its process with 7" in left.reason
        assert own_gate.judged_apart(run, gates["turnover"], tmp_path, "key").key == "key"
        monkeypatch.setattr(own_gate, "OWN_GATE_LIMIT_S", 0.05)
        found = own_gate.judged_apart(run, gates["turnover"], tmp_path, "key").gate
        assert "took over 0.05 s" in found.criteria[0].reason and not found.passed
        assert found.inputs.keys() == load(run, tmp_path).inputs.keys()


def test_a_built_in_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate replaces none of the built-in ones."""
    path = tmp_path / "mine.py"
    path.write_text("import gurukul as gk\n\n@gk.gate('Is it?')\ndef leak(evidence):\n    return []\n")
    monkeypatch.setenv(PLUGINS_ENV, str(path))
    with pytest.raises(RequestError, match="gate 'leak' has the name of a built-in one"):
        gates_here()


def test_a_criterion_rules_by_its_bound() -> None:
    """The bound itself passes; a value that is no number is not computable; two bounds are refused."""
    assert [criterion("n", each, "so", at_least=2.0).ruling for each in (2, 1.9)] == [Ruling.PASS, Ruling.FAIL]
    assert [criterion("n", each, "so", at_most=2.0).ruling for each in (2, 2.1)] == [Ruling.PASS, Ruling.FAIL]
    missing = criterion("n", float("nan"), "so", at_most=2.0)
    assert (missing.ruling, missing.statistic) == (Ruling.NOT_COMPUTABLE, None)
    with pytest.raises(ValueError, match="two bounds"):
        criterion("n", 1, "so", at_least=0.0, at_most=2.0)
