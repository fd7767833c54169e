"""Measures how busy a far device's slots are: a proxy delays all that its workers send to the broker and read from it.

    python -m benchmarks.latency [--round-trip-ms 200] [--milliseconds 100] [--slots 2] [--windows 300]

Real broker, `workers start`, ledger, claims and telemetry; the windows sleep. Prints a Markdown table.
"""

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.gurukul import dispatch, workers
from benchmarks.work import make_windows
from orchestrator.broker import embedded

READ_BYTES = 2**16


async def _serve(host: str, port: int, delay_s: float, ready: Connection) -> None:
    loop = asyncio.get_running_loop()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(READ_BYTES):
                loop.call_later(delay_s, writer.write, data)
        loop.call_later(delay_s, writer.close)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        await asyncio.gather(carry(reader, back), carry(there, writer))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    ready.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _proxy(host: str, port: int, delay_s: float, ready: Connection) -> None:
    asyncio.run(_serve(host, port, delay_s, ready))


@contextmanager
def far(url: str, round_trip_s: float) -> Iterator[str]:
    """Start a proxy of a server, which adds a round trip; yield its URL."""
    parts, (ours, theirs) = urlsplit(url), multiprocessing.Pipe()
    assert parts.hostname is not None
    context = multiprocessing.get_context("spawn")
    process = context.Process(
        target=_proxy, args=(parts.hostname, parts.port, round_trip_s / 2, theirs), daemon=True
    )  # fmt: skip
    process.start()
    try:
        yield url.replace(f":{parts.port}/", f":{ours.recv()}/")
    finally:
        process.kill()
        process.join()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.latency", description="Measure the slots of a far device.")
    parser.add_argument("--round-trip-ms", type=float, default=200.0)
    parser.add_argument("--milliseconds", type=int, default=100, help="duration of a window")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--windows", type=int, default=300)
    options = parser.parse_args()
    windows = make_windows(options.windows, options.milliseconds, busy=False)
    with (
        tempfile.TemporaryDirectory(prefix="latency-") as name,
        embedded.server() as url,
        far(url, options.round_trip_ms / 1000) as away,
        workers(away, 1, options.slots),
    ):
        dispatch(url, windows[: 10 * options.slots], Path(name))
        began = time.perf_counter()
        dispatch(url, windows, Path(name))
        seconds = time.perf_counter() - began
    busy = options.windows * options.milliseconds / 1000 / options.slots / seconds
    print("| round trip | windows | slots | windows per second | share of the slots' time in use |")
    print("|---|---|---|---|---|")
    print(
        f"| {options.round_trip_ms:.0f} ms | {options.windows} of {options.milliseconds} ms | {options.slots}"
        f" | {options.windows / seconds:.1f} | {busy:.2f} |"
    )


if __name__ == "__main__":
    main()
