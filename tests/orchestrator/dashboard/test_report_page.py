"""The report in a real browser: phone, dark, keyboard, terms, and print."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.conftest import Finished
from tests.orchestrator.dashboard.conftest import DESKTOP_PX, HEIGHT_PX, SCREENS
from tests.orchestrator.dashboard.layout import moved, violations

MOST_PAGES = 6
CHART_PX, PAPER_PX = 300, 688


@pytest.fixture(scope="module")
def report(two_device_run: Finished, browser: BrowserContext) -> Iterator[Page]:
    """The page on a desktop, its first chart drawn; after all tests it has asked for nothing and reported no error."""
    page, asked, errors = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_viewport_size({"width": DESKTOP_PX, "height": HEIGHT_PX})
    url = (two_device_run.audit / "report.html").as_uri()
    page.goto(url)
    expect(page.locator("#earned svg")).to_be_visible()
    yield page
    page.close()
    assert (asked, errors) == ([url], [])


def test_the_first_screen_decides(report: Page) -> None:
    """On a desktop, verdict, deciding sentence, next step, alerts and the table of earnings need no scrolling."""
    for place in (".word", ".sentence", ".next", ".earned"):
        box = report.locator(place).bounding_box()
        assert box is not None and box["y"] + box["height"] <= HEIGHT_PX, place


def test_the_keyboard_reaches_everything(report: Page) -> None:
    """The first stop skips to the verdict; Enter explains a term and unfolds a part, whose chart is then drawn."""
    report.keyboard.press("Tab")
    expect(report.locator(".skip")).to_be_focused()
    term = report.locator(".term").first
    term.focus()
    report.keyboard.press("Enter")
    explained = report.locator("[popover]:popover-open")
    expect(explained).to_have_text(re.compile(r"^[\w -]+: .+\.$"))
    expect(explained).to_contain_text(term.get_attribute("title") or "nothing")
    report.keyboard.press("Escape")
    expect(explained).to_have_count(0)
    part = report.locator("details").filter(has_text="Trading").first
    part.locator("summary").focus()
    report.keyboard.press("Enter")
    expect(part.locator(".chart svg").first).to_be_visible()


def test_a_chart_is_saved_as_a_picture(report: Page) -> None:
    """The button below a chart downloads a PNG of its name, on white, and the page's chart stays transparent."""
    with report.expect_download() as download:
        report.locator("#earned + .save").click()
    assert download.value.suggested_filename == "earned.png"
    picture = Image.open(download.value.path()).convert("RGB")
    assert picture.width >= 2 * CHART_PX and picture.getpixel((0, 0)) == (255, 255, 255)
    assert report.locator("#earned svg").evaluate("each => each.style.backgroundColor") in ("", "transparent")


def test_its_outline_has_no_gap(report: Page) -> None:
    """One h1, levels that grow by one, landmarks, a name for every chart, a meaning for every term."""
    headings = report.locator("h1, h2, h3").evaluate_all("all => all.map(each => each.tagName)")
    levels = [int(name[1]) for name in headings]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [report.locator(name).count() for name in ("header", "main")] == [1, 1]
    assert all(report.locator(".chart").evaluate_all("all => all.map(each => each.getAttribute('aria-label'))"))
    wanted = set(report.locator(".term").evaluate_all("all => all.map(each => each.getAttribute('popovertarget'))"))
    assert wanted == set(report.locator("[popover]").evaluate_all("all => all.map(each => each.id)"))


def test_it_prints_on_few_pages(report: Page) -> None:
    """A4, with tests, limits and glossary: at most six pages, the verdict among them."""
    printed = report.pdf(format="A4", prefer_css_page_size=True)
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= MOST_PAGES


def test_paper_cuts_no_table_and_shows_heat_maps_light(two_device_run: Finished, browser: BrowserContext) -> None:
    """Everything unfolded and printed from a dark screen: no table is wider than A4, and heat maps are inverted."""
    page = browser.new_page()
    page.set_viewport_size({"width": PAPER_PX, "height": HEIGHT_PX})
    page.emulate_media(color_scheme="dark")
    page.goto((two_device_run.audit / "report.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    marks = page.locator("#importance .mark-rect")
    expect(marks.first).to_be_attached()
    page.emulate_media(color_scheme="dark", media="print")
    wide = "all => all.filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.ariaLabel)"
    assert page.locator(".scroll").evaluate_all(wide) == []
    filters = marks.evaluate_all("all => all.map(each => getComputedStyle(each).filter)")
    assert all(each.startswith("invert(1)") for each in filters)
    page.close()


def test_months_are_those_of_the_run(report: Page, two_device_run: Finished) -> None:
    """A row per year, a return per month."""
    stored = json.loads((two_device_run.audit / "validation_results" / "validation.json").read_text(encoding="utf-8"))
    rows = report.locator(".months tbody tr")
    assert rows.count() == len({month[:4] for month in stored["months"]}) > 0
    texts = rows.locator("td:not(:last-child)").all_text_contents()
    assert len([each for each in texts if each]) == len(stored["months"])


def test_it_fits_every_screen_and_follows_its_colours(report: Page) -> None:
    """Light and dark, on a desktop and on a phone: parts lie as stored, nothing violates WCAG 2.1 AA, and nothing
    scrolls sideways, also with everything unfolded, and the table of earnings not even where its figures are wide.
    """
    report.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    for chart in report.locator(".chart").all():
        expect(chart.locator("svg")).to_be_visible()
    for scheme, width in SCREENS:
        report.emulate_media(color_scheme=scheme)
        report.set_viewport_size({"width": width, "height": HEIGHT_PX})
        assert moved(report, "report", width) == [], (scheme, width)
        # Half of the screens: both colours and both widths, for half of the time.
        assert (scheme, width) not in SCREENS[::2] or violations(report) == [], (scheme, width)
        assert report.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (scheme, width)
        around = report.locator(".scroll").filter(has=report.locator(".earned"))
        assert around.evaluate("each => each.scrollWidth - each.clientWidth") <= 0, (scheme, width)
        red = int(re.findall(r"\d+", report.evaluate("getComputedStyle(document.body).backgroundColor"))[0])
        assert (red < 50) == (scheme == "dark")
    report.locator(".earned tbody td").evaluate_all("all => all.forEach(each => each.textContent = '-0.00123 %')")
    assert around.evaluate("each => each.scrollWidth - each.clientWidth") <= 0


def test_the_table_of_bars_is_legible(two_device_run: Finished, browser: BrowserContext) -> None:
    """`coverage.html`, in light and dark: no violation of WCAG 2.1 AA."""
    page = browser.new_page()
    page.goto((two_device_run.cwd / "data/bars/1day/coverage.html").as_uri())
    for scheme, _ in SCREENS[:2]:
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == [], scheme
    page.close()
