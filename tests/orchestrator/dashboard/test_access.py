"""Who sees what: the password, its cookie, foreign host names, headers, files outside a bundle."""

from pathlib import Path

import pytest
from lxml import html
from starlette.testclient import TestClient

from orchestrator.dashboard import access
from orchestrator.dashboard.application import application
from orchestrator.dashboard.settings import Settings

SECRET = "pä ss"


def client(folder: Path, password: str | None = None) -> TestClient:
    """A browser's view of a dashboard of an empty folder; redirects are not followed."""
    here = Settings(str(folder / "data"), str(folder / "release"), password=password)
    return TestClient(application(here), base_url="http://127.0.0.1:8501", follow_redirects=False)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong guess takes a millisecond."""
    monkeypatch.setattr(access, "WRONG_S", 0.001)


@pytest.mark.parametrize(
    "path", ["/", "/runs/nightly/results?x=1", "/releases", "/stream", "/nowhere", "/runs/a/audit/b"]
)
def test_nothing_is_shown_before_the_password(tmp_path: Path, path: str) -> None:
    """Every address leads to the form, which keeps the address; style and health alone are open."""
    browser = client(tmp_path, SECRET)
    answer = browser.get(path)
    assert answer.status_code == 303
    form = browser.get(answer.headers["location"])
    assert form.status_code == 200 and "Password" in form.text and "Releases" not in form.text
    opened = browser.post(answer.headers["location"], data={"password": SECRET})
    assert (opened.status_code, opened.headers["location"]) == (303, path)
    assert [browser.get(open_).status_code for open_ in ("/health", "/static/style.css")] == [200, 200]


def test_a_cookie_lasts_until_the_password_changes(tmp_path: Path) -> None:
    """A server that starts again with the same password knows the browser; with another one it does not."""
    first = client(tmp_path, SECRET)
    cookie = first.post("/sign-in", data={"password": SECRET}).cookies[access.COOKIE]
    for password, status in ((SECRET, 200), ("another", 303)):
        browser = client(tmp_path, password)
        browser.cookies.set(access.COOKIE, cookie)
        assert browser.get("/").status_code == status
    first.post("/sign-out")
    assert first.get("/").status_code == 303


@pytest.mark.parametrize("given", ["pä s", "pä sss", "", "PÄ SS"])
def test_a_wrong_password_is_reported(tmp_path: Path, given: str) -> None:
    """Only the exact text is accepted; the form returns with a sentence and no cookie."""
    answer = client(tmp_path, SECRET).post("/sign-in", data={"password": given})
    assert answer.status_code == 403 and "not the password" in answer.text
    assert not answer.cookies


def test_a_cookie_cannot_be_made_up(tmp_path: Path) -> None:
    """A cookie that was not signed with the password opens nothing."""
    browser = client(tmp_path, SECRET)
    for value in ("", "in", "in.AAAA.AAAA"):
        browser.cookies.set(access.COOKIE, value)
        assert browser.get("/").status_code == 303


@pytest.mark.parametrize("foreign", ["https://example.com/", "//example.com", "/\\example.com"])
def test_the_form_leads_to_no_other_server(tmp_path: Path, foreign: str) -> None:
    """The address after the password is one of this server."""
    answer = client(tmp_path, SECRET).post("/sign-in", params={"next": foreign}, data={"password": SECRET})
    assert answer.headers["location"] == "/"


def test_a_long_form_is_refused(tmp_path: Path) -> None:
    """A form of megabytes is not read to its end."""
    assert client(tmp_path, SECRET).post("/sign-in", data={"password": "x" * 10_000}).status_code == 413


def test_without_a_password_only_own_names_are_answered(tmp_path: Path) -> None:
    """A page whose host name resolves to 127.0.0.1 cannot read this one."""
    browser = client(tmp_path)
    assert browser.get("/", headers={"host": "evil.example.com"}).status_code == 400
    assert browser.get("/", headers={"host": "localhost:8501"}).status_code == 200


def test_pages_carry_the_headers_that_protect_them(tmp_path: Path) -> None:
    """No foreign script, frame or form; no guessing of types; no copy in a cache."""
    headers = client(tmp_path).get("/").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere", "/runs/nope", "/runs/nope/report", "/runs/..%2f..%2fetc/logs", "/runs/a/b/c", "/runs/a%20b",
        "/runs/%5EGSPC", "/runs/M&M/results", "/runs/nope%00",
    ],
)  # fmt: skip
def test_an_unknown_address_is_a_page_with_a_way_back(tmp_path: Path, path: str) -> None:
    """A wrong link is answered within the frame, with the reason."""
    answer = client(tmp_path).get(path)
    assert answer.status_code == 404 and "All runs" in answer.text


def test_an_empty_folder_shows_how_to_begin(tmp_path: Path) -> None:
    """In a folder without runs each page has a sentence and a command; nothing is written."""
    browser = client(tmp_path)
    for path in ("/", "/fleet", "/releases", "/compare"):
        answer = browser.get(path)
        assert answer.status_code == 200 and "orchestrator " in html.fromstring(answer.text).text_content(), path
    assert list(tmp_path.iterdir()) == []
