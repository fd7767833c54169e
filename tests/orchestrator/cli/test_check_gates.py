"""`orchestrator check --run`: gates of a plug-in file, tried on a judged run."""

from pathlib import Path

import pytest

from schemas.contract.requests import CheckReport
from schemas.files.run_files import write_model
from tests.conftest import command
from tests.workers.judging.runs import RUN, stored_run
from workers.judging.validation import validate

GATES = """import gurukul as gk

@gk.gate("Is there a row?")
def rows(evidence):
    return gk.criterion("rows", len(evidence.predictions), "they are so many", at_least=1)

@gk.gate("Is it divided?")
def divides(evidence):
    return 1 / 0
"""


def test_gates_are_tried_on_a_judged_run(tmp_path: Path) -> None:
    """`--json` has what each found, or its fault with the user's line, for which the exit code is 3."""
    run = stored_run(tmp_path / "data", symbols=1)
    write_model(run.validation, validate(run))
    (tmp_path / "mine.py").write_text(GATES)
    done = command("check", "mine.py", "--source", "sample", "--run", RUN, "--json", cwd=tmp_path)
    tried = CheckReport.model_validate_json(done.stdout).tried
    assert done.returncode == 3 and list(tried) == ["rows", "divides"]
    assert tried["rows"].report is not None and tried["rows"].report.gate.answer == "passed"
    assert "mine.py line 9: ZeroDivisionError" in (tried["divides"].error or "")


@pytest.mark.parametrize(
    ("run_id", "words"), [("nowhere", "there is no run nowhere"), ("../x", "run id '../x' is not valid")]
)
def test_a_run_that_is_not_there_is_refused_first(tmp_path: Path, run_id: str, words: str) -> None:
    """Before any plug-in is read."""
    refused = command("check", "none.py", "--run", run_id, "--json", cwd=tmp_path)
    assert refused.returncode == 2 and words in refused.stderr
