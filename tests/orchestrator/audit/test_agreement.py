"""A bundle whose manifest was written again after an edit: the other files still hold what was changed."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.audit.agreement import _words, contradictions
from orchestrator.audit.recommendation import recommend
from orchestrator.audit.signed_manifest import check, seal
from orchestrator.runs.verify import unlike_ledger
from schemas.contract.judgement import Recommendation, Statistics
from schemas.files.layout import RunLayout
from tests.conftest import Finished

Edit = Callable[[str], str]


def of_metrics(change: Callable[[Any], object]) -> Edit:
    """An edit of a JSON file."""

    def edit(text: str) -> str:
        value = json.loads(text)
        change(value)
        return json.dumps(value, indent=2)

    return edit


@pytest.fixture
def bundle(two_device_run: Finished, tmp_path: Path) -> Path:
    """A copy of a run's audit bundle."""
    return shutil.copytree(two_device_run.cwd / "release" / "audit_generated", tmp_path / "audit_generated")


def test_a_bundle_as_it_was_made_agrees_with_itself(bundle: Path) -> None:
    """Every text has the figures of `metrics.json`, and these follow from the stored numbers."""
    assert contradictions(bundle) == ()


@pytest.mark.parametrize(
    ("name", "edit", "words"),
    [
        ("report.html", lambda text: text.replace("days that no student", "days that a student"), "report.html lacks"),
        ("report.html", lambda text: re.sub(r'(<p class="word">)\w+', r"\1promote", text), "report.html lacks"),
        ("summary.md", lambda text: re.sub(r"(Recommendation:) \w+", r"\1 promote", text), "summary.md lacks"),
        ("promotion_briefing.md", lambda text: text.replace("| always long |", "| cash |"), "always long"),
        ("metrics.json", of_metrics(lambda value: value.update(recommendation="promote")), "it states promote"),
        ("metrics.json", of_metrics(lambda value: value["conclusion"]["earned"].pop()), "it has 4 figures"),
        ("metrics.json", of_metrics(lambda value: value["gates"].pop()), "it lacks gates"),
        ("metrics.json", of_metrics(lambda value: value["validation"].update(rows=1)), "validation.rows is not"),
        ("validation_results/validation.json", of_metrics(lambda value: value.update(rows=1)), "was computed from"),
        ("validation_results/statistics.json", lambda text: text.replace("fail", "pass"), "was computed from"),
        ("validation_results/student_runs.json", of_metrics(lambda value: value.pop()), "has no row of"),
        ("configs/run.json", lambda text: text[:100], "run.json"),
        (
            "validation_results/validation.json",
            of_metrics(lambda value: value["trading"].pop("always long")),
            "no run has such numbers",
        ),
    ],
)  # fmt: skip
def test_an_edit_of_one_file_is_found_after_the_manifest_was_written_again(
    bundle: Path, name: str, edit: Edit, words: str
) -> None:
    """The digests fit, and a sentence names the file and what it states."""
    path = bundle / name
    before = path.read_text()
    path.write_text(edit(before))
    assert path.read_text() != before
    seal(bundle, {"run_id": "generated"}, None)
    assert check(bundle, {}).faults == ()
    assert any(words in fault for fault in contradictions(bundle))


@pytest.mark.parametrize("mark", ["<", "<script ", "<td"])
def test_a_page_of_a_million_open_tags_is_read(tmp_path: Path, mark: str) -> None:
    """As any other page, once: a sender's file must not keep the reader busy for hours."""
    path = tmp_path / "report.html"
    path.write_text(f"<p>one</p><style>p < q {{}}</style> two {mark * 1_000_000}")
    assert _words(path) == "one two"


def test_a_verdict_that_was_changed_in_the_ledger_is_found(two_device_run: Finished) -> None:
    """`runs` and `status` show the ledger's; the tests of the run decide."""
    layout = RunLayout(two_device_run.folder)
    statistics = Statistics.model_validate_json(layout.statistics.read_bytes())
    assert unlike_ledger(layout, recommend(statistics)) == []
    other = next(each for each in Recommendation if each is not recommend(statistics))
    (fault,) = unlike_ledger(layout, other)
    assert f"has the verdict {other}" in fault and "ledger.db" in fault
