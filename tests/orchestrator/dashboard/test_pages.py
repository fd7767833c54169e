"""The dashboard in a real browser: it shows the stored data on any screen, and nothing before the password.

The runs are one real run and copies of it, each damaged in one way.
"""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from orchestrator.audit.wording import distinct
from schemas.contract.conclusion import Conclusion
from schemas.contract.judgement import Statistics, Validation
from schemas.contract.numbers import shown
from tests.conftest import Finished, orchestrator, tree
from tests.orchestrator.dashboard.conftest import SCREENS, Seen

Look = Callable[[str], Seen]
Dashboard = Callable[..., str]

SECRET = "correct horse"
# The first page is at the root: Streamlit gives it no address of its own.
PAGES = {"": "Training Progress", "results": "Results", "releases": "Releases"}


def copied(run: Finished, cwd: Path, name: str, status: str = "ready-for-review") -> Path:
    """A copy of a run under another name, with another status."""
    folder = cwd / "data" / "models" / name
    shutil.copytree(run.folder, folder)
    manifest = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(manifest | {"run_id": name, "created": "2020-01-01T00:00:00Z"}))
    with closing(sqlite3.connect(folder / "ledger.db")) as db, db:
        db.execute("UPDATE run SET value = ? WHERE key = 'status'", (status,))
        db.execute("INSERT OR REPLACE INTO run VALUES ('message', ?)", (f"{status} for the test",))
    for leftover in folder.glob("ledger.db-*"):
        leftover.unlink()
    return folder


def picker(page: Page) -> Locator:
    """The choice of a run."""
    return page.get_by_role("combobox", name="Run", exact=True)


def cell(row: Locator, name: str) -> Locator:
    """A cell of a table's row by its column."""
    return row.locator(f'td[data-name="{name}"]')


@pytest.fixture(scope="module")
def place(two_device_run: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run, a twin of it, an unjudged one, a failed one, a broken one; the run is live in staging."""
    cwd = tmp_path_factory.mktemp("looked_at")
    for name in ("data", "release"):
        shutil.copytree(two_device_run.cwd / name, cwd / name)
    copied(two_device_run, cwd, "twin")
    (copied(two_device_run, cwd, "stopped", "running") / "statistics.json").unlink()
    (copied(two_device_run, cwd, "broken_down", "failed") / "statistics.json").unlink()
    broken = copied(two_device_run, cwd, "torn") / "run.json"
    broken.write_bytes(broken.read_bytes()[:100])
    for command in (
        ("approve", "generated", "--by", "asha", "--override", "to see how it goes", "--note", "of <b>May</b>"),
        ("deploy", "generated", "--to", "staging", "--by", "asha"),
        ("reject", "twin", "--by", "ravi", "--note", "one is enough"),
    ):
        result = orchestrator(*command, cwd=cwd)
        assert result.returncode == 0, result.stderr
    return cwd


@pytest.fixture(scope="module")
def url(place: Path, dashboard: Dashboard) -> str:
    """A dashboard of that folder."""
    return dashboard(place)


@pytest.mark.parametrize("page", ["results", "releases"])
def test_a_page_fits_and_reports_no_error(url: str, look: Look, page: str) -> None:
    """Light and dark, on a desktop and on a phone: no console error, no exception, no horizontal scrolling."""
    seen = look(f"{url}/{page}?run=generated")
    expect(seen.page.locator("h1")).to_have_text(PAGES[page])
    for scheme, width in SCREENS:
        seen.resize(scheme, width)
        assert seen.page.get_by_test_id("stException").count() == 0
        assert seen.overflow_px <= 0, (scheme, width)
    assert seen.complaints == []


def test_results_are_the_stored_numbers(url: str, place: Path, look: Look) -> None:
    """Conclusion, each criterion of each gate and the scores are those of the run's files."""
    folder = place / "data" / "models" / "generated"
    statistics = Statistics.model_validate_json((folder / "statistics.json").read_bytes())
    validation = Validation.model_validate_json((folder / "validation.json").read_bytes())
    stored = json.loads((place / "release" / "audit_generated" / "metrics.json").read_text())
    page = look(f"{url}/results?run=generated").page
    found = Conclusion.model_validate(stored["conclusion"])
    expect(page.locator(".g-word")).to_have_text(found.recommendation.value)
    verdict = page.locator(".g-verdict")
    expect(verdict).to_contain_text(found.sentence)
    expect(verdict).to_contain_text(found.advice)
    expect(page.locator(".g-list li")).to_have_text([*found.basis, *found.changes, *found.warnings])
    tiles = page.get_by_test_id("stMetric")
    expect(tiles).to_have_count(len(found.sureness))
    for tile, figure in zip(tiles.all(), found.sureness, strict=True):
        expect(tile).to_contain_text(figure.text)
    earned = [[each.name, each.growth, each.a_year, each.worst_fall, each.sharpe] for each in found.earned]
    assert [
        row.locator("td").all_inner_texts() for row in page.locator(".g-table").first.locator("tbody tr").all()
    ] == earned
    gates = page.get_by_test_id("stExpander")
    assert gates.count() == len(statistics.gates)
    for place_, gate in enumerate(statistics.gates):
        box = gates.nth(place_)
        expect(box.locator("summary")).to_contain_text(f"{gate.name}: {gate.answer}.")
        box.locator("summary").click()
        rows = box.locator("tbody tr")
        expect(rows).to_have_count(len(gate.criteria))
        for row, each in zip(rows.all(), gate.criteria, strict=True):
            expect(row.locator("td").first).to_have_text(each.name)
            expect(cell(row, "ruling")).to_have_text(each.answer)
            expect(cell(row, "number")).to_have_text(shown(each.statistic))
            expect(cell(row, "in words")).to_have_text(each.reason)
    losses = page.locator('td[data-name="log loss"]').all_inner_texts()
    assert losses == [shown(scores.log_loss) for scores in distinct(validation.scores).values()]


def test_every_chart_of_the_audit_is_drawn(url: str, look: Look) -> None:
    """Equities, reliability, skill by symbol and window, importances: charts, with texts for screen readers."""
    page = look(f"{url}/results?run=generated").page
    charts = page.get_by_test_id("stVegaLiteChart")
    expect(charts).to_have_count(6)
    for chart in charts.all():
        expect(drawing := chart.locator("canvas, svg").first).to_be_visible()
        box = drawing.bounding_box()
        assert box is not None and box["width"] > 300


def test_the_run_picked_survives_a_reload_and_another_page(url: str, look: Look) -> None:
    """The picked run is in the address, and stays picked after a reload and on the next page."""
    seen = look(f"{url}/results")
    expect(picker(seen.page)).to_have_value(re.compile("^generated "))
    picker(seen.page).click()
    seen.page.get_by_role("option", name="twin").click()
    expect(picker(seen.page)).to_have_value(re.compile("^twin "))
    seen.page.wait_for_url("**/results?run=twin")
    seen.page.reload()
    expect(picker(seen.page)).to_have_value(re.compile("^twin "))
    seen.wait_until_drawn()
    seen.page.get_by_role("link", name="Training Progress").click()
    expect(seen.page.locator("h1")).to_have_text("Training Progress")
    expect(picker(seen.page)).to_have_value(re.compile("^twin "))
    assert seen.complaints == []


def test_two_runs_stand_side_by_side(url: str, place: Path, look: Look) -> None:
    """The second run's numbers stand beside the first's; the page states that copies do not differ."""
    page = look(f"{url}/results?run=generated&beside=twin").page
    validation = Validation.model_validate_json((place / "data/models/generated/validation.json").read_bytes())
    loss = f"{validation.scores['student'].log_loss:.6g}"
    row = page.locator("tr").filter(has=page.get_by_text("log loss, student", exact=True))
    expect(row.locator("td")).to_have_text(["log loss, student", loss, loss])
    expect(page.get_by_text("Both runs have the same settings")).to_be_visible()


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        ("stopped", "To continue it: orchestrator resume stopped."),
        ("broken_down", "failed: failed for the test. To continue it: orchestrator resume broken_down"),
    ],
)
def test_a_run_without_a_verdict_shows_the_next_step(url: str, look: Look, run: str, sentence: str) -> None:
    """An interrupted or failed run is a sentence with the next command, not an empty table or an exception."""
    seen = look(f"{url}/results?run={run}")
    expect(seen.page.get_by_test_id("stAlert")).to_contain_text(sentence)
    expect(seen.page.get_by_text("It was not judged yet")).to_be_visible()
    assert seen.page.get_by_test_id("stException").count() == 0
    assert seen.complaints == []


def test_a_damaged_run_is_named_and_hides_no_other(url: str, look: Look) -> None:
    """A folder whose run.json is cut off is named with the reason; the others can be picked."""
    page = look(f"{url}/results").page
    expect(page.get_by_test_id("stCaptionContainer").filter(has_text="Not shown: torn")).to_contain_text("run.json")
    picker(page).click()
    expect(page.get_by_role("option")).to_have_count(4)


def test_releases_show_every_decision(url: str, look: Look) -> None:
    """The page shows live releases and decisions, the newest first; user text is never interpreted as HTML."""
    page = look(f"{url}/releases").page
    expect(page.locator(".g-live")).to_contain_text("generated.")
    expect(page.locator(".g-live")).to_contain_text("nothing is live")
    candidates, decisions, history = page.locator(".g-table").all()
    row = candidates.locator("tbody tr").filter(has_text="generated")
    expect(row).to_contain_text("approved by asha")
    expect(cell(row, "live in")).to_have_text("staging")
    expect(cell(row, "next")).to_have_text("orchestrator deploy generated --to production")
    expect(decisions.locator("tbody tr").first).to_contain_text("one is enough")
    expect(decisions.locator("tbody tr").last).to_contain_text("override: to see how it goes; of <b>May</b>")
    expect(cell(history, "what")).to_have_text(["rejected", "deployed", "approved"])


def test_looking_changes_nothing(url: str, place: Path, look: Look) -> None:
    """After every page was shown, runs and releases have the same files with the same bytes."""
    before = tree(place / "data"), tree(place / "release")
    for page in PAGES:
        look(f"{url}/{page}?run=stopped")
    assert (tree(place / "data"), tree(place / "release")) == before


def test_an_empty_folder_shows_how_to_begin(tmp_path: Path, dashboard: Dashboard, look: Look) -> None:
    """In a folder without runs each page states that and shows a command; nothing is written."""
    url = dashboard(tmp_path)
    for page in PAGES:
        seen = look(f"{url}/{page}")
        expect(seen.page.get_by_test_id("stCode")).to_contain_text("orchestrator")
        expect(seen.page.get_by_test_id("stAlert")).to_contain_text("data/models")
        assert seen.page.get_by_test_id("stException").count() == 0
        assert seen.complaints == []
    assert [path.suffix for path in tmp_path.iterdir()] == [".log"]


def test_nothing_is_shown_before_the_password(place: Path, dashboard: Dashboard, look: Look) -> None:
    """Without the password only a form is shown; a wrong one is reported; the right one opens the requested page."""
    seen = look(f"{dashboard(place, GURUKUL_DASHBOARD_PASSWORD=SECRET)}/results?run=twin")
    page = seen.page
    expect(page.get_by_label("Password", exact=True)).to_be_visible()
    for hidden in ("Results", "Releases", "twin", "generated"):
        assert page.get_by_text(hidden).count() == 0
    page.get_by_label("Password", exact=True).fill(SECRET[:-1])
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_test_id("stAlert")).to_have_text("That is not the password.")
    assert page.get_by_text("twin").count() == 0
    page.get_by_label("Password", exact=True).fill(SECRET)
    page.get_by_role("button", name="Open").click()
    expect(page.locator("h1")).to_have_text("Results")
    expect(picker(page)).to_have_value(re.compile("^twin "))
    assert seen.complaints == []
