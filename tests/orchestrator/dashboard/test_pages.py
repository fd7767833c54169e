"""The pages show the stored data of every run, whatever its state, and change nothing.

The runs are one real run and copies of it, each in another state or damaged in one way.
"""

import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from lxml import html
from playwright.sync_api import Page, expect
from redis import Redis
from starlette.testclient import TestClient

from orchestrator.audit.wording import distinct
from orchestrator.broker import embedded
from orchestrator.dashboard import runs
from orchestrator.dashboard.application import application
from orchestrator.dashboard.settings import Settings
from schemas.contract.conclusion import Conclusion
from schemas.contract.judgement import Scores, Statistics, Validation, ValueScores
from schemas.contract.numbers import NOT_KNOWN, shown
from schemas.files.layout import RunLayout
from tests.conftest import Finished, orchestrator, tree
from tests.orchestrator.dashboard.conftest import HEIGHT_PX, PHONE_PX, Seen
from tests.orchestrator.dashboard.copies import copied
from tests.orchestrator.dashboard.devices import send_heartbeats
from tests.orchestrator.dashboard.layout import check_every_screen
from tests.waiting import wait_for

Look = Callable[[str], Seen]
Dashboard = Callable[..., str]

RUN_PAGES = ("", "/results", "/report", "/logs", "/trials")
PAGES = ("/", "/fleet", "/releases", "/compare?run=generated&run=twin", *(f"/runs/generated{tab}" for tab in RUN_PAGES))


@pytest.fixture(scope="module")
def place(two_device_run: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run, a twin of it, interrupted and failed ones, a broken one; the run is live in staging."""
    cwd = tmp_path_factory.mktemp("looked_at")
    for name in ("data", "release", "logs"):
        shutil.copytree(two_device_run.cwd / name, cwd / name)
    copied(cwd, "twin")
    copied(cwd, "stopped", "running", 0.5)
    copied(cwd, "begun", "running", 0.0)
    copied(cwd, "broken_down", "failed", 0.6)
    torn = copied(cwd, "torn") / "run.json"
    torn.write_bytes(torn.read_bytes()[:100])
    for command in (
        ("approve", "generated", "--by", "asha", "--override", "to see how it goes", "--note", "of <b>May</b>"),
        ("deploy", "generated", "--to", "staging", "--by", "asha"),
        ("reject", "twin", "--by", "ravi", "--note", "one is enough"),
    ):
        result = orchestrator(*command, cwd=cwd)
        assert result.returncode == 0, result.stderr
    return cwd


@pytest.fixture(scope="module")
def fleet_of_heartbeats() -> Iterator[str]:
    """A broker that has heartbeats and no workers."""
    with embedded.server() as url, Redis.from_url(url) as redis:
        send_heartbeats(redis)
        yield url


@pytest.fixture(scope="module")
def address(place: Path, dashboard: Dashboard, fleet_of_heartbeats: str) -> str:
    """The address of the one server of that folder."""
    return dashboard(place, "--broker", fleet_of_heartbeats)


@pytest.fixture(scope="module")
def client(place: Path) -> TestClient:
    """The application of that folder, without a server."""
    here = Settings(str(place / "data"), str(place / "release"))
    return TestClient(application(here), base_url="http://127.0.0.1")


def page_of(client: TestClient, path: str) -> html.HtmlElement:
    """A page's elements."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return html.fromstring(answer.text)


def text_of(element: html.HtmlElement) -> str:
    """The text of an element, its parts separated by single blanks."""
    return " ".join(" ".join(element.itertext()).split())


def plain(element: html.HtmlElement) -> str:
    """The text of a sentence, as it was before it was kept together on a line."""
    return str(element.text_content()).replace("\u00a0", " ")


def rows_of(page: html.HtmlElement, caption: str) -> list[list[str]]:
    """The texts of a table's cells, row by row."""
    (table,) = (each for each in page.iter("table") if each.findtext("caption") == caption)
    return [[text_of(cell) for cell in row] for row in table.find("tbody")]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_every_screen_and_is_accessible(address: str, look: Look, path: str) -> None:
    """Light and dark, on a desktop and on a phone: no error, no horizontal scrolling, no violation of WCAG 2.1 AA.

    Parts lie where they lay when the page was last looked at.
    """
    check_every_screen(look(address + path), path)


def test_the_overview_names_what_needs_a_person(client: TestClient) -> None:
    """Interrupted and failed runs with the command that continues them, and folders that cannot be read."""
    page = page_of(client, "/")
    (needs,) = page.xpath("//*[@data-part='needs']")
    for words in ("interrupted stopped", "failed broken_down", "torn cannot be read", "orchestrator resume stopped"):
        assert words in text_of(needs)
    tiles = [text_of(each) for each in page.xpath("//*[@data-part='tiles']//div")]
    assert tiles[0].startswith("Running nothing") and "staging: generated." in tiles[2]


def test_a_trial_belongs_to_its_study(client: TestClient, place: Path) -> None:
    """A trial is not listed, as by `runs`, and needs no command of its own: `resume` refuses it."""
    trial, study = copied(place, "stopped.t0001", "running", 0.5), RunLayout(place / "data/models/stopped").study
    study.touch()
    page = text_of(page_of(client, "/"))
    study.unlink()
    shutil.rmtree(trial)
    assert "resume stopped" in page and "stopped.t0001" not in page


def test_the_overview_lists_every_run_with_what_it_came_to(client: TestClient, two_device_run: Finished) -> None:
    """Status, verdict, skill and earnings are those of the run's conclusion; copies differ in nothing."""
    found = Conclusion.model_validate(two_device_run.summary["conclusion"])
    rows = {row[1]: row for row in rows_of(page_of(client, "/"), "Runs, newest first")}
    assert set(rows) == {"generated", "twin", "stopped", "begun", "broken_down"}
    assert rows["twin"][3:8] == [
        "ready-for-review", "100 %", found.recommendation.value, found.sureness[-1].text, found.earned[0].a_year,
    ]  # fmt: skip
    assert rows["stopped"][3] == "interrupted" and rows["broken_down"][3] == "failed"
    assert Counter(row[9] for row in rows.values()) == {"nothing": 4, NOT_KNOWN: 1}


def test_results_are_the_stored_numbers(client: TestClient, place: Path) -> None:
    """Conclusion, each criterion of each gate and the scores are those of the run's files."""
    folder = place / "data" / "models" / "generated"
    statistics = Statistics.model_validate_json((folder / "statistics.json").read_bytes())
    validation = Validation.model_validate_json((folder / "validation.json").read_bytes())
    stored = json.loads((place / "release" / "audit_generated" / "metrics.json").read_text())
    found = Conclusion.model_validate(stored["conclusion"])
    page = page_of(client, "/runs/generated/results")
    verdict = text_of(page.get_element_by_id("verdict"))
    assert all(words in verdict for words in (found.recommendation.value, found.sentence, found.advice))
    for name, sentences in (("basis", found.basis), ("changes", found.changes), ("warnings", found.warnings)):
        assert [plain(each) for each in page.xpath(f"//*[@id='{name}']//li")] == list(sentences)
    assert rows_of(page, "Earnings after costs") == [
        [each.name, each.growth, each.a_year, each.worst_fall, each.sharpe] for each in found.earned
    ]
    for gate in statistics.gates:
        rows = rows_of(page, f"{gate.name}: its tests")
        assert [(row[0], row[1], row[3]) for row in rows] == [
            (f"{each.name} {each.reason}", each.answer, shown(each.statistic)) for each in gate.criteria
        ]
    scores = rows_of(page, "Scores of models")
    assert [row[1] for row in scores] == [
        shown(each.loss) for each in distinct(dict[str, Scores | ValueScores](validation.scores)).values()
    ]
    trading = rows_of(page, "Strategies")
    assert [row[1] for row in trading] == [
        shown(each.net_bps_a_day, "+") for each in distinct(validation.trading).values()
    ]


def test_a_changed_verdict_is_noticed(client: TestClient, place: Path) -> None:
    """If ledger and statistics give different recommendations, the page names both."""
    changed = copied(place, "changed") / "ledger.db"
    with closing(sqlite3.connect(changed)) as db, db:
        db.execute("UPDATE run SET value = 'promote' WHERE key = 'recommendation'")
    answer = client.get("/runs/changed/results").text
    shutil.rmtree(changed.parent)
    assert "The ledger has promote, statistics.json gives" in answer


@pytest.mark.parametrize(
    ("run", "word", "sentence"),
    [
        ("stopped", "interrupted", "orchestrator resume stopped"),
        ("begun", "interrupted", "orchestrator resume begun"),
        ("broken_down", "failed", "failed for the test"),
    ],
)
def test_a_run_without_success_is_explained(client: TestClient, run: str, word: str, sentence: str) -> None:
    """Each page of an interrupted or failed run shows its state, and Progress the reason or the next step."""
    for tab in RUN_PAGES:
        page = page_of(client, f"/runs/{run}{tab}")
        assert word in text_of(page.get_element_by_id("content")), tab
    assert sentence in text_of(page_of(client, f"/runs/{run}"))
    assert "not judged yet" in text_of(page_of(client, f"/runs/{run}/results"))


def test_progress_counts_as_the_ledger(client: TestClient, two_device_run: Finished) -> None:
    """Tiles, phases and symbols show the numbers of the run's summary."""
    students = two_device_run.summary["windows"]["student"]
    page = page_of(client, "/runs/generated")
    tiles = {text_of(each.find("dt")): text_of(each.find("dd")) for each in page.xpath("//dl[@class='tiles']/div")}
    assert tiles["trained"] == f"{students['success']} of {students['planned']}"
    assert tiles["skipped"] == str(students["skipped"]) and tiles["status"] == "ready-for-review"
    assert sum(int(row[1]) for row in rows_of(page, "Windows by symbol")) == students["success"]
    assert [row[1] for row in rows_of(page, "Phases")] == ["success"] * 7


def test_two_runs_stand_side_by_side(client: TestClient, place: Path) -> None:
    """Numbers of both runs; the page states that copies have the same settings. Wrong choices are sentences."""
    validation = Validation.model_validate_json((place / "data/models/generated/validation.json").read_bytes())
    loss = f"{validation.scores['student'].loss:.6g}"
    page = page_of(client, "/compare?run=generated&run=twin")
    assert ["log loss, student", loss, loss] in rows_of(page, "Numbers")
    assert "None; folders" in text_of(page)
    for query, words in (("run=generated&run=stopped", "has no verdict"), ("run=a&run=b&run=c", "3 runs were chosen")):
        assert words in text_of(page_of(client, f"/compare?{query}"))


def test_a_window_shows_its_scores_commands_and_log_lines(client: TestClient, two_device_run: Finished) -> None:
    """Metrics of teacher and student, the commands to train it again, and the lines that name it."""
    row = json.loads((two_device_run.folder / "student_runs.json").read_text())
    trained = next(each for each in row if each["status"] == "success")
    label = trained["window_label"]
    page = page_of(client, f"/runs/generated/windows/{trained['symbol']}/{trained['start']}")
    facts = {name: (teacher, student) for name, teacher, student in rows_of(page, "Teacher and student")}
    assert facts["status"] == ("success", "success") and float(facts["seconds"][1]) > 0
    assert all(facts[f"scored log loss, {model}"][1] for model in ("base rate", "student without a teacher"))
    assert f"orchestrator replay generated {label}" in text_of(page)
    (log,) = page.xpath("//pre")
    lines = log.text_content().splitlines()
    assert lines and all(label in line for line in lines)
    for symbol in ("%5EGSPC", "M%26M"):
        assert page_of(client, f"/runs/generated/windows/{symbol}/{trained['start']}").xpath("//*[@id='details']")
    missing = client.get(f"/runs/generated/windows/NOPE/{trained['start']}")
    assert missing.status_code == 404 and "has no window of NOPE" in missing.text


def test_commands_are_shown_only_of_trained_windows(client: TestClient, two_device_run: Finished) -> None:
    """`replay` and `explain` refuse a window that was skipped, so its page does not offer them."""
    rows = json.loads((two_device_run.folder / "student_runs.json").read_text())
    skipped = next(each for each in rows if each["status"] == "skipped")
    page = page_of(client, f"/runs/generated/windows/{quote(skipped['symbol'])}/{skipped['start']}")
    assert "skipped" in text_of(page) and "orchestrator" not in text_of(page)


def test_a_log_begins_at_its_newest_line(address: str, look: Look) -> None:
    """Its last line is seen without scrolling; those above are reached by scrolling."""
    log = look(f"{address}/runs/generated/logs").page.locator(".log")
    assert log.evaluate("log => log.scrollTop > 0 && log.scrollTop + log.clientHeight >= log.scrollHeight - 1")


def test_logs_are_found_and_filtered(client: TestClient, place: Path) -> None:
    """Every line of the run that holds the words; without its log the page names the file and the option."""
    page = page_of(client, "/runs/generated/logs?text=INFO")
    (log,) = page.xpath("//pre")
    lines = log.text_content().splitlines()
    assert lines and all("INFO" in line for line in lines)
    assert "does not exist" in text_of(page_of(client, "/runs/stopped/logs"))


def test_a_run_without_telemetry_has_its_log_and_says_so(client: TestClient, place: Path) -> None:
    """Its log is found and filtered by its windows; the page of its progress names the reason and another command."""
    folder, log = copied(place, "quiet", "running"), place / "logs/quiet.log"
    manifest = json.loads((folder / "run.json").read_text())
    manifest["config"]["telemetry"] = False
    (folder / "run.json").write_text(json.dumps(manifest))
    log.write_text("INFO run=quiet window=A\nINFO run=quiet window=B\n")
    logs, progress = (page_of(client, f"/runs/quiet{tab}") for tab in ("/logs?window=A", ""))
    shutil.rmtree(folder)
    log.unlink()
    assert logs.xpath("//pre")[0].text_content() == "INFO run=quiet window=A\n" and logs.xpath("//datalist/option")
    assert "was started with --no-telemetry" in text_of(progress)
    assert "orchestrator status quiet" in text_of(progress)


def test_trials_are_those_of_the_ledger(client: TestClient) -> None:
    """The number that the result was corrected for, and a row per run on the same symbols and days.

    The ledger is the user's: other tests' runs may be in it.
    """
    page = page_of(client, "/runs/generated/trials")
    assert "corrected for 1 trial" in text_of(page)
    assert "generated (this run)" in [row[0] for row in rows_of(page, "Trials on its symbols and days")]


def test_the_report_is_the_bundle_s_own_page(client: TestClient, place: Path) -> None:
    """The frame shows report.html and the files that it links to; nothing outside the bundle is served."""
    bundle = place / "release" / "audit_generated"
    (frame,) = page_of(client, "/runs/generated/report").xpath("//iframe/@src")
    answer = client.get(frame)
    assert answer.content == (bundle / "report.html").read_bytes()
    assert "sandbox" in answer.headers["content-security-policy"]
    assert client.get("/runs/generated/audit/plots/earned.json").status_code == 200
    (bundle / "link.json").symlink_to(place / "data/models/generated/run.json")
    stored = "../../data/models/generated/run.json"
    for outside in (stored, "..%2f..%2fhistory.jsonl", "link.json", "nothing.json", "a%00b"):
        assert client.get(f"/runs/generated/audit/{outside}").status_code == 404
    (bundle / "link.json").unlink()


def test_charts_of_the_report_are_drawn_in_its_frame(address: str, look: Look) -> None:
    """The policy of the report's frame lets its charts compile their expressions.

    The frame is as high as the report, and a link to a part of it scrolls the page.
    """
    seen = look(f"{address}/runs/generated/report")
    report = seen.page.frame_locator("iframe.report")
    expect(report.locator("#earned svg")).to_be_visible()
    html_height = "document.documentElement.offsetHeight"
    frame = seen.page.frames[1]
    wait_for(
        lambda: seen.page.locator("iframe.report").evaluate("each => each.clientHeight") == frame.evaluate(html_height),
        "a frame as high as its page",
    )
    assert frame.evaluate(html_height) > HEIGHT_PX
    report.locator(".skip").focus()
    seen.page.keyboard.press("Enter")
    wait_for(lambda: seen.page.evaluate("scrollY") > 0, "the verdict at the top")
    assert seen.complaints == []


def test_a_damaged_ledger_is_a_page_and_a_line_of_the_overview(client: TestClient, place: Path) -> None:
    """The page of such a run names the file; the overview lists the other runs, and forgets those that are removed."""
    folder = copied(place, "rotten")
    assert "rotten" in {row[1] for row in rows_of(page_of(client, "/"), "Runs, newest first")}
    content = (folder / "ledger.db").read_bytes()
    (folder / "ledger.db").write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    for tab in RUN_PAGES:
        answer = client.get(f"/runs/rotten{tab}")
        assert answer.status_code == 500 and "rotten" in answer.text and "All runs" in answer.text
    assert "rotten cannot be read" in client.get("/").text
    shutil.rmtree(folder)
    assert "rotten" not in client.get("/").text
    assert folder not in runs._ENDED


def test_releases_show_every_decision(client: TestClient) -> None:
    """The page shows live releases and decisions, the newest first; user text is never interpreted as HTML."""
    page = page_of(client, "/releases")
    (live,) = page.xpath("//dl[contains(@class, 'live')]")
    assert "staging generated." in text_of(live) and "production nothing is live" in text_of(live)
    row = next(each for each in rows_of(page, "Finished runs") if each[0] == "generated")
    assert "approved by asha" in row[2]
    command, _, rest = row[4].partition(" from ")
    assert [row[3], command] == ["staging", f"orchestrator deploy generated --to production{_folders(command)}"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d on", rest), "staging is younger than a day: deploy would refuse"
    decisions = rows_of(page, "Approvals and rejections")
    assert decisions[0][5] == "one is enough"
    assert decisions[-1][5] == "override: to see how it goes; of <b>May</b>"
    assert [each[1] for each in rows_of(page, "History of releases")] == ["rejected", "deployed", "approved"]


def _folders(command: str) -> str:
    """The options of folders at the end of a command."""
    found = re.search(r"( --release-dir \S+)?( --data-dir \S+)?$", command)
    return found[0] if found else ""


def test_looking_changes_nothing(client: TestClient, place: Path) -> None:
    """After every page was shown, runs and releases have the same files with the same bytes."""
    before = tree(place / "data"), tree(place / "release")
    for path in (*PAGES, "/runs/stopped", "/runs/torn"):
        client.get(path)
    assert (tree(place / "data"), tree(place / "release")) == before


@pytest.mark.parametrize(("recommendation", "command"), [("promote", "approve"), ("hold", ""), ("reject", "reject")])
def test_the_next_command_follows_the_recommendation(
    client: TestClient, place: Path, recommendation: str, command: str
) -> None:
    """Of a run that waits for a decision; none of them is an override."""
    name = f"waits_{recommendation}"
    folder = copied(place, name)
    with closing(sqlite3.connect(folder / "ledger.db")) as db, db:
        db.execute("UPDATE run SET value = ? WHERE key = 'recommendation'", (recommendation,))
    row = next(each for each in rows_of(page_of(client, "/releases"), "Finished runs") if each[0] == name)
    assert row[2] == "waits for a decision"
    assert row[4].startswith(f"orchestrator {command} {name} --by NAME") if command else row[4] == "\N{EN DASH}"
    assert "--override" not in row[4]
    shutil.rmtree(folder)


def test_the_grid_opens_a_window_by_mouse_and_keyboard(address: str, look: Look) -> None:
    """A click and the arrow keys with Enter show the details of a window; Escape closes them."""
    seen = look(f"{address}/runs/generated")
    page = seen.page
    grid = page.locator("#grid")
    details = page.locator("dialog #details")
    grid.click(position={"x": 150, "y": 25})
    expect(details).to_contain_text(re.compile(r"BAJAJ-AUTO_\d{4}-\d\d-\d\d_to_\d{4}-\d\d-\d\d: "))
    expect(details.locator("pre")).to_contain_text("BAJAJ-AUTO_")
    page.keyboard.press("Escape")
    expect(details).to_be_hidden()
    grid.focus()
    before = page.locator("#grid-cell").inner_text()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#grid-cell")).not_to_have_text(before)
    page.keyboard.press("Enter")
    expect(details).to_be_visible()
    expect(details).not_to_contain_text("BAJAJ-AUTO_")
    assert seen.complaints == []


def test_the_list_is_filtered_and_sorted_and_two_runs_are_compared(address: str, look: Look) -> None:
    """Words hide the rows without them; a heading sorts by durations, by mouse and keyboard, also after an update; two
    runs, chosen on a phone, lead to their comparison.
    """
    seen = look(address + "/")
    page = seen.page
    page.get_by_label("Filter").fill("interrupted")
    expect(page.locator("#runs tbody tr:visible")).to_have_count(2)
    page.get_by_label("Filter").fill("")
    took, cells = page.get_by_role("columnheader", name="took"), page.locator("#runs td[data-name=took]")
    cells.evaluate_all("(all, texts) => texts.forEach((text, at) => { all[at].textContent = text; })", TOOK)
    took.click()
    assert len(set(ordered(page))) >= len(TOOK)
    assert ordered(page) == sorted(ordered(page), reverse=True)
    took.press("Enter")
    page.evaluate("replacePart('runs', document.getElementById('runs').innerHTML)")
    expect(took).to_have_attribute("aria-sort", "ascending")
    assert ordered(page) == sorted(ordered(page))
    seen.resize("light", PHONE_PX)
    for run in ("generated", "twin"):
        page.get_by_label(f"compare {run}", exact=True).check()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    button = page.get_by_role("button", name="Compare the two chosen")
    expect(button).to_be_in_viewport()
    button.click()
    page.wait_for_url("**/compare?run=*&run=*")
    expect(page.get_by_role("heading", name="Verdict and gates")).to_be_visible()
    assert seen.complaints == []


def test_what_a_phone_and_paper_show_is_whole(address: str, look: Look) -> None:
    """The button that signs out stands on the line of the pages. Printed from a dark screen, the names beside the grid
    are dark, no list ends where its box does on the screen, and no table of any page is cut at the paper's edge.
    """
    seen = look(address + "/runs/generated")
    seen.resize("dark", PHONE_PX)
    seen.page.context.add_cookies([{"name": "gurukul", "value": "any", "url": address}])
    height = "document.querySelector('header.top').offsetHeight"
    plain = seen.page.evaluate(height)
    seen.page.reload()
    expect(seen.page.get_by_role("button", name="Sign out")).to_be_visible()
    assert seen.page.evaluate(height) < 1.3 * plain
    seen.page.context.clear_cookies()
    seen.resize("dark", PAPER_PX)
    assert not seen.page.evaluate(DARK_NAMES)
    seen.page.emulate_media(color_scheme="dark", media="print")
    wait_for(lambda: seen.page.evaluate(DARK_NAMES), "the grid for paper")
    assert seen.page.locator(".low").evaluate_all("all => all.every(each => each.scrollHeight <= each.clientHeight)")
    for path in PAGES:
        seen.page.goto(address + path)
        elsewhere = seen.page.get_by_role("region", name="Trials on its").locator("tbody th")
        elsewhere.evaluate_all("all => all.forEach(each => { each.textContent = 'in /' + 'data/'.repeat(20); })")
        wide = "all => all.filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.ariaLabel)"
        assert seen.page.locator(".scroll").evaluate_all(wide) == [], path


# Width of A4 between the margins, in pixels.
PAPER_PX = 688
# Whether what is written beside the grid is dark.
DARK_NAMES = """() => {
    const grid = document.getElementById("grid"), {data} = grid.getContext("2d").getImageData(0, 0, 90, grid.height);
    return data.some((_, at) => at % 4 === 0 && data[at] < 60 && data[at + 3] > 200);
}"""
# In no order, and in another one as texts.
TOOK = ["33 s", "1:18 min", "1:02:03 h", "8 s"]


def ordered(page: Page) -> list[float]:
    """The known durations of the list of runs, seconds, in its order."""
    texts = page.locator("#runs td[data-name=took]").all_inner_texts()
    parts = [text.split()[0].split(":") for text in texts if text != NOT_KNOWN]
    return [sum(float(part) * 60**place for place, part in enumerate(reversed(each))) for each in parts]


def test_a_password_in_a_browser(place: Path, dashboard: Dashboard, look: Look) -> None:
    """The right password opens the page that was asked for, and a new page asks for none."""
    url = dashboard(place, GURUKUL_DASHBOARD_PASSWORD="correct horse")
    page = look(f"{url}/runs/twin/results").page
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("heading", name="twin")).to_be_visible()
    expect(look(f"{url}/releases").page.get_by_role("heading", name="Releases")).to_be_visible()
