"""Where the parts of a page lie, compared with `layout.json`: a look at every page that does not depend on fonts.

Pictures would: two hosts draw one letter with other pixels. Compared are order, place and width of headings, tables,
lists, forms and drawings, not heights, which follow the length of texts. After a change that is wanted, and looked at:
`UPDATE_LAYOUT=1 python -m pytest tests/orchestrator/dashboard -k fits_every`.
"""

import json
import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.orchestrator.dashboard.conftest import SCREENS, Seen

STORED = Path(__file__).with_name("layout.json")
TOLERANCE_PX = 8
# Per visible part: its tag and name, and left edge and width in pixels. An inline part is as wide as its text.
PARTS = """() => [...document.querySelectorAll(
    "header.top, main, main h1, main h2:not(summary *), main section, main form:not(.vega-bindings), main .scroll,"
    + "main .tiles, main canvas, main iframe, main .chart, main .two > *, main .figure, main details"
)].filter(each => each.offsetParent !== null || each.tagName === "MAIN").map(each => {
    const box = each.getBoundingClientRect();
    const name = each.getAttribute("aria-label") || (/^H[1-6]/.test(each.tagName) ? each.textContent.trim() : "");
    return [`${each.tagName.toLowerCase()} ${name}`.trim(), Math.round(box.x), Math.round(box.width)];
})"""


def moved(page: Page, path: str, width: int) -> list[str]:
    """The parts that do not lie where `layout.json` has them, in words."""
    found = page.evaluate(PARTS)
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.is_file() else {}
    if os.environ.get("UPDATE_LAYOUT"):
        lines = sorted((stored | {f"{path} {width}": found}).items())
        text = ",\n".join(f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in lines)
        STORED.write_text(f"{{\n{text}\n}}\n", encoding="utf-8")
        return []
    expected = stored[f"{path} {width}"]
    if [part for part, *_ in found] != [part for part, *_ in expected]:
        return [f"the parts are {[part for part, *_ in found]}, they were {[part for part, *_ in expected]}"]
    return [
        f"{part}: left {x}, width {wide}; it was {left}, {before}"
        for (part, x, wide), (_, left, before) in zip(found, expected, strict=True)
        if abs(x - left) > TOLERANCE_PX or abs(wide - before) > TOLERANCE_PX
    ]


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """The rules of WCAG 2.1 AA, and good practice, that a page violates, each with the parts that do.

    The inside of drawings is left out: each is one image with a description, and its marks take most of the time.
    """
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]}
    found = Axe().run(page, context={"exclude": [[".chart svg"]]}, options=rules)
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found.response["violations"]]


def check_every_screen(seen: Seen, path: str) -> None:
    """Check a page in light and dark, on a desktop and on a phone.

    It has reported no error, does not scroll sideways, does not violate WCAG 2.1 AA, and its parts lie as stored.
    """
    for scheme, width in SCREENS:
        seen.resize(scheme, width)
        assert moved(seen.page, path, width) == [], (scheme, width)
        assert seen.overflow_px <= 0, (scheme, width)
        assert violations(seen.page) == [], (scheme, width)
    assert seen.complaints == []
