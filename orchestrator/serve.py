"""The broker of `honcho start`: a Redis-protocol server on loopback whose queues outlive a restart."""

import os
from pathlib import Path
from typing import NoReturn

from orchestrator.broker import find_binary
from schemas.errors import RequestError

DEFAULT_PORT = "6379"
DEFAULT_DATA_DIR = "data"


def serve(port: str, folder: Path) -> NoReturn:
    """Become the server, with its append-only file in `folder`; RequestError if no server program is found."""
    binary = find_binary()
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "bind": "0.0.0.0",
        "port": port,
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    os.execv(binary, [binary, *(word for name, value in settings.items() for word in (f"--{name}", value))])


if __name__ == "__main__":
    data_dir = Path(os.environ.get("GURUKUL_DATA_DIR") or DEFAULT_DATA_DIR)
    try:
        serve(os.environ.get("GURUKUL_PORT") or DEFAULT_PORT, data_dir / "broker")
    except RequestError as error:
        raise SystemExit(f"broker: {error}") from None
