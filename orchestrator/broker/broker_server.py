"""Starts the Procfile's broker (arguments PORT FOLDER), or waits for it (`--wait-for URL`)."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from orchestrator.broker.embedded import find_binary, wait
from schemas.contract.errors import RequestError


def serve(port: str, folder: Path) -> NoReturn:
    """Become a server on loopback whose queues outlive a restart; RequestError if no server program is found."""
    binary = find_binary()
    folder.mkdir(parents=True, exist_ok=True)
    settings = f"--bind 127.0.0.1 --port {port} --appendonly yes --appendfsync everysec --maxmemory-policy noeviction"
    os.execv(binary, [binary, *settings.split(), "--save", "", "--dir", str(folder)])


if __name__ == "__main__":
    first, second = sys.argv[1:]
    try:
        wait(second) if first == "--wait-for" else serve(first, Path(second))
    except RequestError as error:
        raise SystemExit(f"broker: {error}") from None
