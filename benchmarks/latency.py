"""Measures how busy a far device's slots are: a proxy delays all that its workers send to the broker and read from it.

    python -m benchmarks.latency [--round-trip-ms 200] [--milliseconds 100] [--slots 2] [--windows 300]
    python -m benchmarks.latency --store-ms 200      # students that fetch a teacher from a far store, and publish there

Real broker, `workers start`, ledger, claims, telemetry and S3 server (moto); the windows sleep. Prints a table.
"""

import argparse
import asyncio
import multiprocessing
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.gurukul import dispatch, workers
from benchmarks.work import Window, make_windows
from orchestrator.broker import embedded
from schemas.contract.task import Role
from schemas.files.atomic import write_atomic
from schemas.files.layout import METADATA, BarsLayout, RunLayout
from schemas.store.mirror import PACKED, Mirror
from schemas.store.object_store import ObjectStore
from schemas.store.packing import pack
from tests.doubles.s3_server import BUCKET, leads_to, make_bucket
from tests.ports import free_port
from tests.waiting import wait_for

READ_BYTES = 2**16
STORE = f"s3://{BUCKET}/far"
# About the sizes of a symbol's bars and of a small model.
BARS, ARTIFACT = bytes(30_000), bytes(4_000)


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


@contextmanager
def store_beside(windows: list[Window], runs: list[str], round_trip_s: float) -> Iterator[None]:
    """Start an S3 server with the inputs of these windows in two runs; lead this process's children to its proxy."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "tests.doubles.s3_server", "127.0.0.1", str(port)])
    try:
        wait_for(lambda: _accepts(port), "the S3 server")
        make_bucket("127.0.0.1", port)
        os.environ |= leads_to("127.0.0.1", port)
        with tempfile.TemporaryDirectory(prefix="latency-") as name:
            _fill(Mirror(Path(name), ObjectStore(STORE)), windows, runs)
        with far(f"http://127.0.0.1:{port}/", round_trip_s) as away:
            os.environ["AWS_ENDPOINT_URL"] = away.rstrip("/")
            yield
    finally:
        server.kill()
        server.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _fill(mirror: Mirror, windows: list[Window], runs: list[str]) -> None:
    """Put bars and teachers into a store, as the hosts would that have made them."""
    digest = sha256(BARS).hexdigest()
    bars = BarsLayout.under(mirror.data_dir, "1day")
    write_atomic(path := bars.bars("ANY"), BARS)
    mirror.push_bars(bars, path, digest)
    folder = mirror.data_dir / "teacher"
    folder.mkdir()
    for file in (METADATA, "model.ubj"):
        (folder / file).write_bytes(ARTIFACT)
    content = pack(folder)
    for window in windows:
        window["bars"] = {window["window"]["symbol"]: digest}
        for run_id in runs:
            teacher = RunLayout.under(mirror.data_dir, run_id).artifact(window["name"], Role.TEACHER)
            mirror.store.put(mirror.key(teacher) + PACKED, content)


def measure(options: argparse.Namespace) -> float:
    """Run the windows once the fleet is warm; returns the seconds that they took."""
    windows = make_windows(options.windows, options.milliseconds, busy=False)
    warm, measured = runs = [f"bench{secrets.token_hex(4)}" for _ in range(2)]
    beside: AbstractContextManager[None] = nullcontext()
    role, store, flags = Role.TEACHER, "", list[str]()
    if options.store_ms is not None:
        beside = store_beside(windows, runs, options.store_ms / 1000)
        role, store, flags = Role.STUDENT, STORE, ["--store", STORE]
    with (
        tempfile.TemporaryDirectory(prefix="latency-") as name,
        beside,
        embedded.server() as url,
        far(url, options.round_trip_ms / 1000) as away,
        workers(away, 1, options.slots, *flags, data_dir=f"{name}/data" if store else "data"),
    ):
        dispatch(url, windows[: 10 * options.slots], Path(name), warm, role=role, store=store or None)
        began = time.perf_counter()
        dispatch(url, windows, Path(name), measured, role=role, store=store or None)
        return time.perf_counter() - began


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.latency", description="Measure the slots of a far device.")
    parser.add_argument("--round-trip-ms", type=float, default=200.0)
    parser.add_argument("--store-ms", type=float, help="round trip to a store; without it windows move no files")
    parser.add_argument("--milliseconds", type=int, default=100, help="duration of a window")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--windows", type=int, default=300)
    options = parser.parse_args()
    seconds = measure(options)
    busy = options.windows * options.milliseconds / 1000 / options.slots / seconds
    store = f"{options.store_ms:.0f} ms" if options.store_ms is not None else "none"
    print("| round trip | store | windows | slots | windows per second | share of the slots' time in use |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {options.round_trip_ms:.0f} ms | {store} | {options.windows} of {options.milliseconds} ms"
        f" | {options.slots} | {options.windows / seconds:.1f} | {busy:.2f} |"
    )


if __name__ == "__main__":
    main()
