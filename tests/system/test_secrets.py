"""No secret that a run was given is in anything that it leaves or prints."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tests.conftest import SPAN, clean_environment, write_bars

PLANTED = {
    "BREEZE_API_KEY": "planted-key-4711",
    "BREEZE_API_SECRET": "planted-secret-4712",
    "BREEZE_SESSION_TOKEN": "planted-token-4713",
}


def test_planted_secrets_are_nowhere(server: str, tmp_path: Path) -> None:
    """Vendor's keys in the environment and in a file, and the broker's password, are in no file of the run."""
    password = urlsplit(server).password
    assert password
    secrets = tmp_path / "secrets.env"
    secrets.write_text("\n".join(f"{name}={value}-file" for name, value in PLANTED.items()) + "\n")
    bars = write_bars(tmp_path / "bars", symbols=("A",))
    left = tmp_path / "left"
    left.mkdir()
    arguments = ["run", "--source", f"csv:{bars}", *SPAN, "--devices", "cpu:1x2", "--run-id", "secret", "--json"]
    result = subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments, "--broker", server, "--secrets-file", str(secrets)],
        cwd=left,
        env=clean_environment() | os.environ | PLANTED,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    contents = {str(path): path.read_bytes() for path in left.rglob("*") if path.is_file()}
    assert any("audit_secret" in name for name in contents)
    contents["what was printed"] = (result.stdout + result.stderr).encode()
    for secret in (password, *PLANTED.values()):
        found = [name for name, content in contents.items() if secret.encode() in content]
        assert not found, f"{secret} is in {found}"
