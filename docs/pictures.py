"""Make the screenshots of README and docs from real runs: `python docs/pictures.py csv:BARS`.

BARS holds daily bars of many symbols from 2020-10 to 2025-03. Chromium must be on PATH. The runs are made in a
temporary folder; only docs/images is written to. `drawn-from.json` there names the look that the pictures show.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console, RenderableType
from rich.text import Text

from orchestrator.events.run_fold import fold
from orchestrator.events.run_state import RunState
from orchestrator.terminal.run_view import draw
from schemas.contract.event import EventType, TrainingEvent
from schemas.files.run_files import open_run

IMAGES = Path(__file__).parent.absolute() / "images"
COMMAND = [sys.executable, "-P", "-m", "orchestrator"]
DATES = ["--start-date", "2021-07-01", "--end-date", "2024-12-31", "--devices", "cpu:2x1"]
PORT = 8599
TERMINAL_PX = 1400
# What decides how a picture looks; tests/house/test_docs.py fails when one of these files has changed since.
ROOT = Path(__file__).parents[1]
LOOK = {
    "terminal and watch": ["orchestrator/terminal/run_view.py"],
    "dashboard": ["orchestrator/dashboard/templates/*", "orchestrator/dashboard/static/*"],
    "report": ["orchestrator/audit/templates/report*.j2"],
}
DRAWN_FROM = IMAGES / "drawn-from.json"
STUDENT = EventType.STUDENT_WINDOW_SUCCESS


def main(source: str) -> None:
    """Make a run of the sample, and the runs `panel` and `nightly` of `source`, and take the pictures in between."""
    os.environ["GURUKUL_USER"] = "asha"
    kind, _, place = source.partition(":")
    bars = Path(place).absolute()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for name in ("sample", "own"):
            Path(folder, name).mkdir()
        os.environ["XDG_STATE_HOME"] = str(Path(folder, "state"))
        os.chdir(Path(folder, "sample"))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        printed = orchestrator("run", "--source", "sample")
        (sample,) = (path.name for path in Path("data/models").iterdir())
        end = Text.from_ansi(printed[printed.rindex(f"run {sample}:") :])
        terminal(browser, "terminal", "make run", 80, half_way(sample, 80), end)
        os.chdir(Path(folder, "own"))
        shutil.copytree(bars, "bars")  # commands in pictures name a source beside the data without its folder
        orchestrator("run", "--source", f"{kind}:bars", "--run-id", "panel", "--scope", "panel", *DATES)
        report = Path("release/audit_panel/report.html").absolute().as_uri()
        page(browser, "report-light", report, "light", 1100, 1340)
        page(browser, "report-dark", report, "dark", 1100, 1440, unfolded="Trading")
        server = subprocess.Popen([*COMMAND, "dashboard", "--port", str(PORT)])
        nightly = ["run", "--skip-fetch", "--run-id", "nightly", "--step-days", "90", *DATES]
        running = subprocess.Popen([*COMMAND, *nightly], stdout=subprocess.DEVNULL)
        log = Path("data/analytics/training/training_run_nightly.jsonl")
        while not log.is_file() or log.read_text(encoding="utf-8").count(f'"{STUDENT}"') < 252:
            time.sleep(1)
        site = f"http://127.0.0.1:{PORT}"
        assert urlopen(f"{site}/health").status == 200
        page(browser, "dashboard-training", f"{site}/runs/nightly", "light", 1440, 1120)
        page(browser, "dashboard-phone", f"{site}/runs/nightly", "dark", 390, 1400)
        assert running.wait() == 0
        terminal(browser, "watch-wide", "orchestrator watch nightly", 120, half_way("nightly", 120))
        orchestrator("approve", "panel", "--by", "asha", "--override", "paper trading only, to watch the costs")
        orchestrator("deploy", "panel", "--to", "staging", "--by", "asha")
        orchestrator("reject", "nightly", "--by", "ravi", "--note", "its windows overlap")
        page(browser, "dashboard-results", f"{site}/runs/panel/results", "light", 1440, 1120)
        page(browser, "dashboard-home", f"{site}/", "light", 1440, 900)
        page(browser, "dashboard-releases", f"{site}/releases", "dark", 1440, 800)
        server.terminate()
    DRAWN_FROM.write_text(json.dumps(look(), indent=1) + "\n", encoding="utf-8")


def look() -> dict[str, str]:
    """SHA-256 of the files that decide how each group of pictures looks."""
    found = {}
    for group, patterns in LOOK.items():
        digest = hashlib.sha256()
        for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()):
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
        found[group] = digest.hexdigest()
    return found


def orchestrator(*words: str) -> str:
    """What a command prints in a terminal of 80 columns; CalledProcessError unless it exits with 0."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": "80"}
    return subprocess.run([*COMMAND, *words], env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def half_way(run_id: str, width: int) -> RenderableType:
    """The live view as it was when half of the students had been trained."""
    lines = Path(f"data/analytics/training/training_run_{run_id}.jsonl").read_text(encoding="utf-8").splitlines()
    events = [TrainingEvent.model_validate_json(line) for line in lines]
    ends = [number for number, event in enumerate(events) if event.event_type is STUDENT]
    return view_after(run_id, events[: ends[len(ends) // 2] + 1], width)


def view_after(run_id: str, events: list[TrainingEvent], width: int) -> RenderableType:
    """The live view of a run after these events."""
    state = RunState(run_id)
    state.expect(each.window for each in open_run("data", run_id)[0].plan)
    for event in events:
        fold(state, event)
    return draw(state, events[-1].timestamp, width)


def terminal(browser: Browser, name: str, title: str, width: int, *parts: RenderableType) -> None:
    """Save the picture of a terminal that shows `parts`."""
    tab = browser.new_page()
    save(name, terminal_png(tab, title, width, *parts))
    tab.close()


def terminal_png(tab: Page, title: str, width: int, *parts: RenderableType) -> bytes:
    """A terminal of so many columns that shows `parts`."""
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    for part in parts:
        console.print(part)
    tab.set_viewport_size({"width": round(12.2 * width) + 36, "height": TERMINAL_PX})
    tab.set_content(console.export_svg(title=title))
    return tab.locator("svg").first.screenshot()


def page(
    browser: Browser, name: str, url: str, scheme: str, width: int, height: int, unfolded: str | None = None
) -> None:
    """Save the picture of a page once its charts are drawn, or of its folded parts, one of which is `unfolded`."""
    tab = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
    tab.goto(url)
    tab.locator("h1").first.wait_for()
    if unfolded is not None:
        tab.locator(f"summary:has-text('{unfolded}')").first.click()
    tab.wait_for_load_state("load")
    tab.wait_for_timeout(3000)
    y = 0 if unfolded is None else tab.evaluate("document.querySelector('details').getBoundingClientRect().y + scrollY")
    save(name, tab.screenshot(full_page=True, clip={"x": 0, "y": y, "width": width, "height": height}))
    tab.close()


def save(name: str, png: bytes) -> None:
    """Write a picture with a palette of 256 colours, a third of the size."""
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
