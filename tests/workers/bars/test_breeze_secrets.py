"""Breeze's credentials stay secret, over real HTTP and in real processes."""

import logging
import os
import subprocess
import sys
import traceback
from base64 import b64encode
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from schemas.contract.errors import GurukulError, RequestError
from tests.workers.bars import breeze_server as fake
from tests.workers.bars.breeze_server import (
    HISTORY,
    LOGIN,
    MASTER,
    FakeBreeze,
    Fault,
    html,
    in_body,
    json_body,
    running,
    source,
)
from workers.bars.breeze.credentials import API_KEY, API_SECRET, SESSION_TOKEN, Credentials, Scrubber
from workers.bars.breeze.source import TRIES

DAY = (date(2024, 1, 1), date(2024, 1, 1))
PLANTED = (fake.API_KEY, fake.API_SECRET, fake.SESSION_TOKEN, fake.SESSION_KEY, fake.BASE64_SESSION)
FORMS = [form for s in PLANTED for e in (s, b64encode(s.encode()).decode()) for form in (e, quote(e), quote_plus(e))]
ECHO = " ".join(FORMS)

READ = """
from datetime import date
from pathlib import Path
from workers.bars.breeze.source import Breeze
from workers.bars.sources.source_protocol import SourceRequest
day = date(2024, 1, 1)
request = SourceRequest("", "1minute", "Asia/Kolkata", [(day, day)], Path("chunks"))
assert len(Breeze(request).read("INFY")) == 375
"""
WITHOUT_HTTPX = """
import sys
sys.modules["httpx"] = None
from schemas.contract.errors import RequestError
from workers.bars.breeze.source import Breeze
from workers.bars.sources.source_protocol import SourceRequest
try:
    Breeze(SourceRequest("", "1day", "Asia/Kolkata"))
except RequestError as error:
    assert "pip install 'gurukul[breeze]'" in str(error)
else:
    raise SystemExit("worked without httpx")
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBreeze]:
    """A fake Breeze that the environment points to."""
    with running(monkeypatch) as server:
        yield server


def echoing(kind: str) -> Fault:
    """A failure whose reply contains every secret in every form."""
    row = {"datetime": ECHO, "open": ECHO, ECHO: 1}
    return {
        "error": in_body(500, ECHO),
        "auth": in_body(401, ECHO),
        "page": html(500, ECHO),
        "broken": html(200, ECHO),
        "header": html(429, Retry_After=fake.BASE64_SESSION),
        "redirect": html(302, Location=f"http://127.0.0.1:9/{quote(ECHO)}"),
        "login": json_body({"Success": {"session_token": fake.API_SECRET}, "Status": 200}),
        "rows": json_body({"Success": [row, ECHO, {"datetime": "2024-01-01 09:15:00", "open": [ECHO]}], "Status": 200}),
    }[kind]


@pytest.mark.parametrize("endpoint", [LOGIN, HISTORY, MASTER])
@pytest.mark.parametrize("kind", ["error", "auth", "page", "broken", "header", "redirect", "login", "rows"])
def test_secrets_stay_secret(
    endpoint: str, kind: str, server: FakeBreeze, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """For any reply, no secret is in an error, a traceback, a finding, a log, the output or a file."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    server.faults[endpoint].extend([echoing(kind)] * TRIES)
    read = source(tmp_path / "chunks", DAY)
    shown: list[Any] = [vars(read), vars(read._client)]
    try:
        shown += read.read("INFY").findings
    except GurukulError as error:
        assert error.__cause__ is None and (error.__context__ is None or endpoint == MASTER)
        shown += [repr(error), *traceback.format_exception(error)]
    outputs = capfd.readouterr()
    shown += [caplog.text, outputs.out, outputs.err, *(f"{p} {p.read_bytes()!r}" for p in tmp_path.rglob("*.parquet"))]
    assert not any(form.lower() in str(shown).lower() for form in FORMS)
    assert not outputs.out and {path.name for path in tmp_path.iterdir()} <= {"chunks"}


def test_scrubber() -> None:
    """Every form of a secret is replaced; without secrets text is unchanged."""
    scrub = Scrubber(PLANTED)
    assert not any(form in scrub(ECHO) for form in FORMS) and scrub("a good text") == "a good text"
    assert Scrubber([])("a good text") == "a good text"


def test_credentials_come_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secrets file has precedence and must be readable by its owner only; errors name values and never quote them."""
    file = tmp_path / "secrets"
    file.write_text(f"# mine\n\nexport BREEZE_API_KEY='k=1'\nBREEZE_API_SECRET = s\n{SESSION_TOKEN}=old\n")
    for name in (SESSION_TOKEN, API_SECRET, API_KEY):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RequestError, match=f"chmod 600 {file}"):
        Credentials.load(file)
    file.chmod(0o600)
    assert Credentials.load(file) == Credentials("k=1", "s", "old", str(file))
    monkeypatch.setenv(SESSION_TOKEN, "new")
    assert Credentials.load(file) == Credentials("k=1", "s", "old", str(file))
    with pytest.raises(RequestError, match="BREEZE_API_KEY and BREEZE_API_SECRET not found in the environment;"):
        Credentials.load(None)
    file.write_text("BREEZE_API_KEY=k\nplanted\n")
    with pytest.raises(RequestError, match="line 2 is not KEY=VALUE") as caught:
        Credentials.load(file)
    assert "planted" not in str(caught.value) and "k=1" not in repr(Credentials("k=1", "s", "t", "here"))
    with pytest.raises(RequestError, match="No such file"):
        Credentials.load(tmp_path / "none")


@pytest.mark.parametrize(("code", "left"), [(READ, {"chunks"}), (WITHOUT_HTTPX, set())])
def test_a_read_leaves_nothing_but_chunks(code: str, left: set[str], server: FakeBreeze, tmp_path: Path) -> None:
    """A read writes its chunks, prints nothing and warns of nothing; without httpx the next step is named."""
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert {path.name for path in tmp_path.iterdir()} == left
