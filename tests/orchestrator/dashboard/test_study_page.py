"""The page of a study shows its stored trials, whatever their state, and is drawn by a real browser."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from lxml import html
from playwright.sync_api import expect
from starlette.testclient import TestClient

from orchestrator.dashboard import study
from orchestrator.dashboard.application import application
from orchestrator.dashboard.pages import study as pages_study
from orchestrator.dashboard.runs import Run
from orchestrator.dashboard.settings import Settings
from orchestrator.dashboard.study_chart import specification
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_status import current_owner
from orchestrator.tuning.study_view import read_study
from schemas.contract.numbers import NOT_KNOWN
from schemas.contract.run import RunStatus
from tests.conftest import tree
from tests.orchestrator.dashboard.conftest import Seen
from tests.orchestrator.dashboard.layout import check_every_screen
from tests.orchestrator.dashboard.studies import FOUND, stored_study, train
from tests.orchestrator.dashboard.test_pages import page_of, rows_of, text_of

PAGE = "/runs/autumn/study"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study that ended."""
    cwd = tmp_path_factory.mktemp("studied")
    stored_study(cwd, "autumn")
    return cwd


def client_of(cwd: Path) -> TestClient:
    """The application of a folder, without a server."""
    return TestClient(application(Settings(str(cwd / "data"), str(cwd / "release"))), base_url="http://127.0.0.1")


def test_the_overview_lists_a_study_as_such(place: Path) -> None:
    """Status, trials done of planned, best value, seconds; a link to its page; no trial and no run to approve.

    It is not counted among the runs of the last week.
    """
    page = page_of(client_of(place), "/")
    (row,) = rows_of(page, "Runs, newest first")
    assert (row[1], row[3:5]) == ("autumn", ["ready-for-review", "5 of 5 trials, best log-loss +0.0120"])
    assert (row[5], row[8]) == ("study", "2:05 min")
    assert page.xpath(f"//a[@href='{PAGE}']")
    assert "Last 7 days 0 runs none" in text_of(page.xpath("//*[@data-part='tiles']")[0])
    assert "approve autumn" not in client_of(place).get("/releases").text


def test_its_page_shows_the_stored_trials(place: Path) -> None:
    """Each trial with state, value, settings, trained windows and how it ended, the best first; what was found, and the
    next command. The run's own address leads there.
    """
    page = page_of(client_of(place), "/runs/autumn")
    assert [text_of(each) for each in page.xpath("//*[@id='found']//li")] == FOUND.splitlines()
    rows = rows_of(page, "Trials, the best first")
    assert [row[:6] for row in rows] == [
        ["2", "complete", "+0.0120", "50", "xgboost", "2"],
        ["4", "complete", "+0.0120", "50", "xgboost", NOT_KNOWN],
        ["0", "complete", "+0.0100", NOT_KNOWN, NOT_KNOWN, "2"],
        ["1", "pruned", NOT_KNOWN, "5.5", NOT_KNOWN, "1"],
        ["3", "failed", NOT_KNOWN, "900", NOT_KNOWN, "0"],
    ]
    assert [row[7] for row in rows] == [
        NOT_KNOWN, "same settings as trial 2", NOT_KNOWN, "pruned after 1 window at -0.00200",
        "failed: its students made <b>no</b> trade",
    ]  # fmt: skip
    assert rows_of(page, "Settings of trial 2") == [
        ["student.ridge", "50", "1 to 1000, logarithmic"], ["teacher", "xgboost", "xgboost, forest"],
    ]  # fmt: skip
    best = place / "data/models/autumn/best.toml"
    assert text_of(page.get_element_by_id("commands")).endswith(f"orchestrator run --config {best}")


def test_the_chart_has_every_value_and_the_best_so_far(place: Path) -> None:
    """A pruned trial stands at its last value, one without a value nowhere; the caption names the finding."""
    view = read_study(stored_study(place / "other", "autumn"))
    best, points = (layer["data"]["values"] for layer in specification(view)["layer"])
    assert [(each["trial"], each["value"]) for each in points] == [(0, 0.01), (1, -0.002), (2, 0.012), (4, 0.012)]
    assert [each["value"] for each in best] == [0.01, 0.01, 0.012, 0.012, 0.012]
    caption = text_of(page_of(client_of(place), PAGE).xpath("//figcaption")[0])
    assert caption == (
        "5 of 5 trials ended, 3 complete, 1 pruned, 1 failed: trial 2 is the best (log-loss +0.0120 nats per row);"
        " trial 0, without a change, has +0.0100."
    )


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes().replace(b"0.012", b"nan")), "study.jsonl line 3 is damaged"),
        (Path.unlink, "study.jsonl is missing, and trials have ended; restore it"),
    ],
)
def test_damaged_trials_are_an_error_on_the_page(tmp_path: Path, damage: Callable[[Path], object], words: str) -> None:
    """The page names file and fault below the study's name, and the overview lists it among what needs a person."""
    damage(stored_study(tmp_path, "autumn").study_trials)
    client = client_of(tmp_path)
    page = page_of(client, PAGE)
    assert words in text_of(page.xpath("//p[@class='alert']")[0]) and "ready-for-review" in text_of(page)
    assert "autumn cannot be read" in text_of(page_of(client, "/").xpath("//*[@data-part='needs']")[0])
    assert "cannot be drawn" in client.get(f"{PAGE}/chart").text


def test_an_interrupted_study_goes_on_with_a_command(tmp_path: Path) -> None:
    """Its page has the reason, the best so far and the command that resumes it; a run is no study."""
    layout = stored_study(tmp_path, "autumn", RunStatus.INTERRUPTED)
    page = page_of(client_of(tmp_path), PAGE)
    assert "So far the best is trial 2" in text_of(page) and "Interrupted: stopped." in text_of(page)
    assert "orchestrator resume autumn" in text_of(page.get_element_by_id("commands"))
    assert client_of(tmp_path).get(f"/runs/{layout.trial(0).folder.name}/study").status_code == 404


def test_an_open_page_receives_what_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part, then those that changed: a window that a trial has trained counts while its ledger is open.

    The stream ends with the study.
    """
    layout = stored_study(tmp_path, "autumn", RunStatus.RUNNING)
    trial, drawn = layout.trial(1), list[dict[str, str]]()
    monkeypatch.setattr(pages_study, "EVERY_S", 0.0)
    with closing(Ledger(layout.ledger)) as ledger:
        ledger.take(current_owner())
    with ThreadPoolExecutor(1) as writer:
        open_ledger = writer.submit(Ledger, trial.ledger).result()

        def parts(run: Run) -> dict[str, str]:
            """The parts; after they were drawn, first a window more is trained, then the study ends."""
            drawn.append(study.parts(run))
            if len(drawn) == 1:
                writer.submit(train, trial, open_ledger, ["A_2020-01-09_to_2021-01-01"]).result()
            elif len(drawn) == 2:
                with closing(Ledger(layout.ledger)) as ledger:
                    ledger.set(status=RunStatus.READY, study=FOUND)
            return drawn[-1]

        monkeypatch.setattr(pages_study, "study", SimpleNamespace(parts=parts))
        text = client_of(tmp_path).get(f"{PAGE}/stream").text
        writer.submit(open_ledger.close).result()
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    assert [set(each) for each in events] == [{"now", "trials"}, {"trials"}, {"now"}, set()]
    trained = [row[-3] for row in cells_of(events[1]["trials"]) if row[0] == "1"]
    assert trained == ["2"] and "Best is trial 2" in events[2]["now"]
    assert text.endswith("event: over\ndata: {}\n\n")


def cells_of(fragment: str) -> list[list[str]]:
    """The rows of a table in a part."""
    rows = html.fragment_fromstring(fragment, "div").xpath(".//tbody/tr")
    return [[text_of(cell) for cell in row.xpath("td|th")] for row in rows]


def test_its_page_fits_every_screen_and_draws_its_chart(
    place: Path, dashboard: Callable[..., str], look: Callable[[str], Seen]
) -> None:
    """The chart is drawn in a frame that may do nothing else; looking changes no file."""
    before = tree(place / "data")
    seen = look(dashboard(place) + PAGE)
    expect(seen.page.frame_locator("iframe.chart").locator("#trials svg")).to_be_visible()
    check_every_screen(seen, PAGE)
    assert tree(place / "data") == before
    answer = client_of(place).get(f"{PAGE}/chart")
    assert "sandbox allow-scripts" in answer.headers["content-security-policy"]
    stored = re.search(r"const specifications = (.*);", answer.text)
    assert stored is not None and json.loads(stored[1])["trials"]["layer"]
    assert html.fromstring(answer.text).get_element_by_id("trials").get("aria-label", "").startswith("5 of 5 trials")
