"""The steps of docs/scale.md that bring up a broker for a second host, as they are printed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.exceptions import AuthenticationError, NoPermissionError

from schemas.redis.broker_file import read_broker_file
from schemas.redis.client import connect
from schemas.redis.writes import try_write
from tests.documented import ROOT
from tests.orchestrator.broker.test_requirements import own_server
from tests.schemas.redis.test_tls import behind_tls

HOST = "10.0.0.1"
SERVER = "redis-server "


def printed_steps() -> tuple[str, str]:
    """The commands before the server's, and the server's own, with this machine as the broker's host."""
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    block = page.partition("**1. The broker**")[2].partition("```sh\n")[2].partition("```")[0]
    steps, _, server = block.replace(HOST, "127.0.0.1").partition(SERVER)
    return steps, server


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the steps use openssl")
def test_a_role_logs_in_by_the_file_and_the_certificate_that_the_steps_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's file of `acl --write` names an authority that its clients trust; the default user may PING alone.

    The server of the tests has no TLS, so a proxy with the printed certificate stands before it.
    """
    steps, server = printed_steps()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-ec", steps], cwd=tmp_path, env=os.environ | {"PATH": path}, check=True, capture_output=True
    )
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "secrets"
    assert all((tmp_path / word).exists() for word in server.split() if word.startswith("secrets/"))
    pair = made / "pair.pem"
    pair.write_text((made / "server.pem").read_text() + (made / "server.key").read_text())
    url = read_broker_file(made / "gurukul-worker.url")
    with own_server(tmp_path, "--aclfile", str(made / "users.acl"), "--protected-mode", "no") as plain:
        with behind_tls(plain, pair) as port:
            url = url.replace(":6379/", f":{port}/")
            with connect(url) as redis:
                try_write(redis)
            wrong = url.replace(urlsplit(url).password or "", "wrong")
            with connect(wrong) as redis, pytest.raises(AuthenticationError):
                redis.ping()
        with connect(plain) as redis, pytest.raises(NoPermissionError):
            try_write(redis)
