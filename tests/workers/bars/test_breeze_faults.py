"""Failures of Breeze over real HTTP: kinds are distinguished, retries limited, and no file is left behind."""

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from schemas.contract.errors import DataError, GurukulError, RequestError
from schemas.contract.task import FailureClass
from tests.workers.bars.breeze_server import (
    HISTORY,
    LOGIN,
    MASTER,
    FakeBreeze,
    Fault,
    broken_json,
    cut_short,
    dripping,
    html,
    in_body,
    json_body,
    reset,
    running,
    slow,
    source,
)
from workers.bars.breeze import client
from workers.bars.breeze.credentials import SESSION_TOKEN
from workers.bars.breeze.failures import AuthError, RateLimited, Refused, ServerError, Unavailable, retry_after_s
from workers.bars.breeze.source import TRIES
from workers.handlers.report import classify

DAY = (date(2024, 1, 1), date(2024, 1, 1))
FAULTS: list[tuple[str, Fault, type[GurukulError]]] = [
    (HISTORY, html(401), AuthError),
    (HISTORY, html(403), AuthError),
    (HISTORY, in_body(401, "Unauthorized"), AuthError),
    (HISTORY, in_body(500, "Session key is expired."), AuthError),
    (LOGIN, in_body(500, "Public Key does not exist."), AuthError),
    (LOGIN, in_body(404, "Resource not available."), AuthError),
    (HISTORY, html(429, Retry_After="1"), RateLimited),
    (HISTORY, in_body(429, ""), RateLimited),
    (HISTORY, in_body(5, "Limit exceed: API call per minute:Try after some time", http=401), RateLimited),
    (HISTORY, html(502, "<title>429 Too Many Requests</title>"), RateLimited),
    (HISTORY, html(500), ServerError),
    (MASTER, html(503), ServerError),
    (LOGIN, html(503), ServerError),
    (HISTORY, html(200), ServerError),
    (HISTORY, html(302, Location="http://127.0.0.1:9/elsewhere"), ServerError),
    (HISTORY, in_body(500, "Invalid User Details"), ServerError),
    (HISTORY, in_body(200, "something else"), ServerError),
    (HISTORY, json_body([1]), ServerError),
    (HISTORY, json_body({"Status": 200, "Success": "text"}), ServerError),
    (LOGIN, json_body({"Status": 200, "Success": {}}), ServerError),
    (MASTER, html(200, "no zip"), ServerError),
    (HISTORY, broken_json, ServerError),
    (HISTORY, cut_short, ServerError),
    (HISTORY, reset, ServerError),
    (HISTORY, slow, ServerError),
    (HISTORY, dripping, ServerError),
    (HISTORY, html(404), Refused),
    (HISTORY, in_body(400, "Interval should be either ..."), Refused),
]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBreeze]:
    """A fake Breeze that the environment points to, and short limits."""
    monkeypatch.setattr(client, "READ_TIMEOUT_S", 0.5)
    monkeypatch.setattr(client, "REPLY_TIMEOUT_S", 0.8)
    with running(monkeypatch) as server:
        yield server


@pytest.mark.parametrize(("endpoint", "fault", "kind"), FAULTS)
def test_failures_are_kept_apart(
    endpoint: str, fault: Fault, kind: type[GurukulError], server: FakeBreeze, tmp_path: Path
) -> None:
    """Each kind of failure has its class; the source and the fleet retry only what is temporary."""
    server.faults[endpoint].extend([fault] * 2 * TRIES)
    with pytest.raises(GurukulError) as caught:
        source(tmp_path, DAY).read("INFY")
    passes = issubclass(kind, Unavailable)
    assert type(caught.value) is kind and f"Breeze {endpoint}: " in str(caught.value)
    assert len(server.asked(endpoint)) == (TRIES if passes else 1)
    assert classify(caught.value) is (FailureClass.TRANSIENT if passes else FailureClass.DATA)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("endpoint", [LOGIN, HISTORY, MASTER])
def test_temporary_failures_are_retried(endpoint: str, server: FakeBreeze, tmp_path: Path) -> None:
    """A failure that ends within `TRIES` tries costs only waits that may double; each try waits for its turn."""
    slept: list[float] = []
    turns: list[int] = []
    server.faults[endpoint].extend([html(503), broken_json, reset, html(429)][: TRIES - 1])
    found = source(tmp_path, DAY, sleep=slept.append, acquire=lambda: turns.append(1)).read("INFY")
    assert len(found) == 375
    assert len(slept) == TRIES - 1 and all(0 <= wait <= 2**tried for tried, wait in enumerate(slept))
    assert len(turns) == len(server.asked(LOGIN)) + len(server.asked(HISTORY))


def test_retry_after_is_honoured(server: FakeBreeze, tmp_path: Path) -> None:
    """Retry-After is followed, unless it is longer than a task may wait."""
    slept: list[float] = []
    server.faults[HISTORY].extend([html(429, Retry_After="7"), html(503, Retry_After="60")])
    source(tmp_path, DAY, sleep=slept.append).read("INFY")
    assert 7 <= slept[0] <= 8 and 60 <= slept[1] <= 62
    server.faults[HISTORY].append(html(429, Retry_After="86400"))
    with pytest.raises(RateLimited, match=r"requests-per-minute.*\(try 1 of 5\)"):
        source(tmp_path, (date(2024, 1, 2), date(2024, 1, 2)), sleep=slept.append).read("INFY")
    assert len(slept) == 2


def test_retry_after_forms() -> None:
    """Retry-After is seconds or a date; any other text is 0."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < retry_after_s(soon) <= 100
    assert [retry_after_s(text) for text in ("2.5", "-3", "", "soon", "2024-01-01")] == [2.5, 0, 0, 0, 0]


def test_redirects_are_not_followed(server: FakeBreeze, tmp_path: Path) -> None:
    """The session is sent to no other address, also after a redirect."""
    server.faults[HISTORY].extend([html(307, Location="/elsewhere")] * TRIES)
    with pytest.raises(ServerError):
        source(tmp_path, DAY).read("INFY")
    assert not server.asked("elsewhere")


def test_a_socks_proxy_without_its_package_is_an_error_of_the_request(
    server: FakeBreeze, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """httpx needs a package for SOCKS; without it the error names the step, and no request is made."""
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(RequestError, match=r"pip install 'httpx\[socks\]'") as caught:
        source(tmp_path).check(["INFY"])
    assert "secret" not in str(caught.value) and not server.asked(LOGIN)


def test_no_data_by_error_text(server: FakeBreeze, tmp_path: Path) -> None:
    """An error text that means no data is an empty reply, not a failure."""
    server.faults[HISTORY].append(in_body(500, "No Data Found"))
    (finding,) = source(tmp_path, DAY).read("INFY").findings
    assert finding.check == "no_bars" and len(server.asked()) == 1


def test_new_login_after_a_refusal(server: FakeBreeze, tmp_path: Path) -> None:
    """A session that Breeze no longer accepts is not used again by later symbols of this process."""
    server.faults[HISTORY].append(html(401))
    with pytest.raises(AuthError, match=r"renew BREEZE_SESSION_TOKEN .* in the environment"):
        source(tmp_path, DAY).read("INFY")
    assert len(source(tmp_path, DAY).read("INFY")) == 375 and len(server.asked(LOGIN)) == 2


def test_check_fails_before_anything_is_written(
    server: FakeBreeze, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preflight fails with one line if the session is invalid or Breeze is not available."""
    monkeypatch.setenv(SESSION_TOKEN, "yesterday's")
    with pytest.raises(AuthError, match="renew BREEZE_SESSION_TOKEN") as caught:
        source(tmp_path).check(["INFY"])
    assert isinstance(caught.value, DataError)
    server.faults[LOGIN].extend([html(503)] * TRIES)
    with pytest.raises(RequestError, match="status 503"):
        source(tmp_path).check(["INFY"])
    assert not list(tmp_path.iterdir())
