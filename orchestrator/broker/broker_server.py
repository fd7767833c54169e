"""Starts the Procfile's broker (arguments PORT FOLDER), or waits for the one that the environment names (`--wait`).

A URL may hold a password, so it is no argument: every user of the host can read those.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

from orchestrator.broker.embedded import find_binary, wait
from schemas.contract.errors import RequestError
from schemas.redis.broker_file import BROKER_FILE_ENV, read_broker_file
from schemas.redis.client import BROKER_ENV


def serve(port: str, folder: Path) -> NoReturn:
    """Become a server on loopback whose queues outlive a restart; RequestError if no server program is found."""
    binary = find_binary()
    folder.mkdir(parents=True, exist_ok=True)
    settings = f"--bind 127.0.0.1 --port {port} --appendonly yes --appendfsync everysec --maxmemory-policy noeviction"
    os.execv(binary, [binary, *settings.split(), "--save", "", "--dir", str(folder)])


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["--wait"]:
            file = os.environ.get(BROKER_FILE_ENV)
            wait(read_broker_file(file) if file else os.environ[BROKER_ENV])
        elif len(sys.argv) == 3 and sys.argv[1].isdecimal():
            serve(sys.argv[1], Path(sys.argv[2]))
        else:
            raise RequestError("usage: python -P -m orchestrator.broker.broker_server PORT FOLDER, or --wait")
    except RequestError as error:
        raise SystemExit(f"broker: {error}") from None
