"""Read a broker's URL from a file, so that no command line or environment holds its password."""

from pathlib import Path

from schemas.config.bars import BarsConfig
from schemas.contract.errors import RequestError
from schemas.redis.private_file import read_private

BROKER_FILE_ENV = "GURUKUL_BROKER_FILE"


def read_broker_file(path: str | Path) -> str:
    """The URL in a file of one line; RequestError if every user of the host may read the file."""
    url = read_private(path, "broker file", "--broker-file")
    if not url or len(url.splitlines()) != 1:
        raise RequestError(f"broker file {path} must hold one line: redis://USER:PASSWORD@HOST:PORT/0")
    return url


def recorded_broker(config: BarsConfig) -> str | None:
    """Broker of a stored config: from its file, which may have changed since, else the URL without its secrets."""
    return read_broker_file(config.broker_file) if config.broker_file else config.broker
