"""Make images/kill-resume.gif: a run of the sample is killed, resumed and judged. `python docs/moving_picture.py`.

Every frame is drawn from what that run recorded or printed. Chromium must be on PATH; only docs/images is written to.
"""

import io
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from pictures import COMMAND, IMAGES, STUDENT, terminal_png, view_after
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from rich.console import RenderableType
from rich.text import Text

from schemas.contract.event import TrainingEvent

IMAGE = IMAGES / "kill-resume.gif"
LOG = Path("data/analytics/training/training_run_night.jsonl")
RUN = "night"
WIDTH, LINES, REPORT_PX = 88, 30, (1100, 760)
KILLED_AT = 40
COLOURS = 64
SHORT_MS, LONG_MS, REPORT_MS = 700, 2200, 6000
PROMPT = "$ "
Frame = tuple[Image.Image, int]


def main() -> None:
    """Run, kill, resume, and save what was seen."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.chdir(folder)
        os.environ |= {"XDG_STATE_HOME": str(Path(folder, "state")), "GURUKUL_USER": "asha"}
        page = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
        save(frames(page))
        page.context.browser.close()  # type: ignore[union-attr]


def frames(page: Page) -> list[Frame]:
    """Pictures with the milliseconds for which each is shown."""
    start = "orchestrator run --source sample --run-id night"
    running = subprocess.Popen([*COMMAND, *start.split()[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while trained(events()) < KILLED_AT:
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    time.sleep(3)  # the last events that the killed process has written
    first = events()
    listed = printed("runs")
    ended = printed("resume", RUN)
    found = [(terminal(page, typed(start)), SHORT_MS)]
    found += [(terminal(page, typed(start), view(first[:upto])), SHORT_MS) for upto in parts(first, 6)]
    killed = [typed(f"kill -9 {running.pid}"), Text("Killed\n")]
    found.append((terminal(page, *killed), LONG_MS))
    found.append((terminal(page, *killed, typed("orchestrator runs"), listed), LONG_MS))
    both = events()
    resumed = typed(f"orchestrator resume {RUN}")
    found += [
        (terminal(page, resumed, view(both[: len(first) + upto])), SHORT_MS) for upto in parts(both[len(first) :], 6)
    ]
    found.append((terminal(page, resumed, tail(ended)), LONG_MS))
    found.append((report(page), REPORT_MS))
    return found


def events() -> list[TrainingEvent]:
    """What the run has recorded so far."""
    lines = LOG.read_text(encoding="utf-8").splitlines(keepends=True) if LOG.is_file() else []
    return [TrainingEvent.model_validate_json(line) for line in lines if line.endswith("\n")]


def trained(recorded: list[TrainingEvent]) -> int:
    """Number of students that were trained."""
    return sum(each.event_type is STUDENT for each in recorded)


def parts(recorded: list[TrainingEvent], number: int) -> list[int]:
    """Numbers of events, from the first in equal steps to all of them."""
    return [len(recorded) * (step + 1) // number for step in range(number)]


def view(recorded: list[TrainingEvent]) -> RenderableType:
    """The live view after these events."""
    return view_after(RUN, recorded, WIDTH)


def printed(*words: str) -> Text:
    """What a command prints in a terminal; CalledProcessError unless it exits with 0."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH)}
    done = subprocess.run([*COMMAND, *words], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Text.from_ansi(done.stdout)


def tail(text: Text) -> Text:
    """The last lines that fit."""
    return Text("\n").join(text.split("\n")[-(LINES - 2) :])


def typed(command: str) -> Text:
    """A command at a prompt."""
    return Text(PROMPT, style="green").append(command, style="bold white")


def terminal(page: Page, *shown: RenderableType) -> Image.Image:
    """A picture of a terminal."""
    return Image.open(io.BytesIO(terminal_png(page, "a night", WIDTH, *shown))).convert("RGB")


def report(page: Page) -> Image.Image:
    """The first screen of the run's report."""
    page.set_viewport_size({"width": REPORT_PX[0], "height": REPORT_PX[1]})
    page.goto(Path("release", f"audit_{RUN}", "report.html").absolute().as_uri())
    page.locator("#earned svg").wait_for()
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def save(found: list[Frame]) -> None:
    """Write the pictures, each centred at the top of one size, with a palette of their own."""
    width, height = (max(picture.size[axis] for picture, _ in found) for axis in (0, 1))
    shown = []
    for picture, _ in found:
        whole = Image.new("RGB", (width, height), "white")
        whole.paste(picture, ((width - picture.width) // 2, 0))
        whole.thumbnail((900, 900))
        shown.append(whole.quantize(COLOURS))
    shown[0].save(
        IMAGE, save_all=True, append_images=shown[1:], duration=[ms for _, ms in found], loop=0, optimize=True
    )


if __name__ == "__main__":
    main()
