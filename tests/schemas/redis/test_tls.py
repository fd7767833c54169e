"""TLS to a broker: one certificate authority of our own, verified by redis-py, Celery and Flower."""

import asyncio
import datetime
import queue
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import Celery
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flower.utils.broker import Broker
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from schemas.contract.broker_address import INSECURE_TLS_ENV, BrokerAddress
from schemas.redis.client import address_of, connect
from tests.conftest import clean_environment


def write_certificate(folder: Path, host: str, *addresses: str, valid_h: float = 1.0) -> Path:
    """A self-signed certificate of `host` and of addresses, with its key, in one PEM file; valid for so many hours."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {x509.random_serial_number()}")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(hours=valid_h))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(host), *(x509.IPAddress(ip_address(each)) for each in addresses)]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{host}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes until the sender closes."""
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


@contextmanager
def behind_tls(server: str, certificate: Path, clients: Path | None = None) -> Iterator[int]:
    """Port on which the real server answers behind TLS: the server of the tests is built without it.

    With `clients`, the certificate of an authority, clients need a certificate of it. Each connection has the
    certificate that is in the file then.
    """
    target = urlsplit(server).port

    def fresh() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if clients is not None:
            context.load_verify_locations(clients)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    context = fresh()
    context.sni_callback = lambda connection, *_: setattr(connection, "context", fresh())
    ports: queue.Queue[int] = queue.Queue()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    connections: dict[asyncio.Future[Any], tuple[asyncio.StreamWriter, ...]] = {}

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", target)
        each = asyncio.gather(carry(reader, forth), carry(back, writer))
        connections[each] = (writer, forth)
        await each

    async def serve() -> None:
        async with await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context) as listening:
            ports.put(listening.sockets[0].getsockname()[1])
            await stop.wait()
        for writer in (each for pair in connections.values() for each in pair):
            writer.transport.abort()  # without the goodbye of TLS, for which asyncio waits 30 s
        await asyncio.gather(*connections)

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ports.get(timeout=10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture(scope="module")
def tls_port(server: str, certificate: Path) -> Iterator[int]:
    """Port of a server that asks for no certificate."""
    with behind_tls(server, certificate) as port:
        yield port


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of the broker, on localhost."""
    return write_certificate(tmp_path_factory.mktemp("tls"), "localhost")


def answers(url: str) -> dict[str, bool]:
    """Whether redis-py, Celery as the sender and as the worker, and Flower's client reach a broker."""

    def redis_py() -> None:
        with connect(url) as redis:
            redis.ping()

    def celery(**settings: str) -> None:
        with Celery(set_as_current=False) as app:
            app.conf.update(address_of(url).celery_settings() | settings)
            with app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, interval_start=0)
                connection.default_channel.client.ping()

    def flower() -> None:
        settings = address_of(url).celery_settings()
        client = Broker(settings["broker_url"], broker_use_ssl=settings["broker_use_ssl"], broker_options={})
        # In a thread of its own: Playwright keeps a loop running in the main one.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(client.queues(["q"]))).result()

    def reaches(call: Callable[[], None]) -> bool:
        try:
            call()
        except (RedisError, OperationalError, OSError):
            return False
        return True

    def worker() -> None:
        celery(broker_transport="workers.celery.transport:Transport")

    return {call.__name__: reaches(call) for call in (redis_py, celery, worker, flower)}


@pytest.mark.parametrize(
    ("host", "options", "reached"),
    [
        ("localhost", "", False),
        ("localhost", "?ssl_ca_certs={ca}", True),
        ("127.0.0.1", "?ssl_ca_certs={ca}", False),
        ("127.0.0.1", "?ssl_ca_certs={ca}&ssl_check_hostname=false", True),
        ("localhost", "?ssl_ca_certs={other}", False),
        ("localhost", "?ssl_cert_reqs=none", True),
    ],
)
def test_every_client_verifies_the_same(
    server: str, tls_port: int, certificate: Path, tmp_path: Path, host: str, options: str, reached: bool
) -> None:
    """Without options certificate and host name are verified; each option means the same to all four."""
    query = options.format(ca=certificate, other=write_certificate(tmp_path, "localhost"))
    url = f"rediss://:{urlsplit(server).password}@{host}:{tls_port}/0{query}"
    assert answers(url) == dict.fromkeys(("redis_py", "celery", "worker", "flower"), reached)


def test_a_broker_that_asks_for_a_certificate_gets_the_clients(server: str, certificate: Path, tmp_path: Path) -> None:
    """`ssl_certfile` and `ssl_keyfile` name it for every client; without it, or with another's, none is let in."""
    own, other = write_certificate(tmp_path, "client"), write_certificate(tmp_path, "other")
    with behind_tls(server, certificate, own) as port:
        url = f"rediss://:{urlsplit(server).password}@localhost:{port}/0?ssl_ca_certs={certificate}"
        for shown, reached in ((own, True), (other, False), (None, False)):
            query = "" if shown is None else f"&ssl_certfile={shown}&ssl_keyfile={shown}"
            assert answers(url + query) == dict.fromkeys(("redis_py", "celery", "worker", "flower"), reached)


def test_insecure_tls_stands_above_what_the_url_states(
    server: str, tls_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No client verifies then, whatever the URL states; a URL without TLS stays without."""
    monkeypatch.setenv(INSECURE_TLS_ENV, "true")
    query = f"?ssl_cert_reqs=required&ssl_ca_certs={write_certificate(tmp_path, 'localhost')}"
    url = f"rediss://:{urlsplit(server).password}@127.0.0.1:{tls_port}/0{query}"
    assert answers(url) == dict.fromkeys(("redis_py", "celery", "worker", "flower"), True)
    assert address_of(server) == BrokerAddress.parse(server)


@pytest.mark.parametrize("program", ["orchestrator fleet", "workers health"])
def test_insecure_tls_is_a_flag_that_warns(server: str, tls_port: int, tmp_path: Path, program: str) -> None:
    """Without it a certificate of an unknown authority is refused; with it the broker answers, after one warning."""
    name, *words = program.split()
    url = f"rediss://:{urlsplit(server).password}@localhost:{tls_port}/0"
    line = [sys.executable, "-m", name, *words, "--broker", url]
    refused, let_in, by_variable = (
        subprocess.run(
            [*line, *more], env=clean_environment() | variables, cwd=tmp_path, capture_output=True, text=True
        )
        for more, variables in (((), {}), (("--insecure-tls",), {}), ((), {INSECURE_TLS_ENV: "1"}))
    )
    assert refused.returncode != 0 and "no known authority signed" in refused.stderr
    for answered in (let_in, by_variable):
        assert answered.stderr.startswith("warning: --insecure-tls: "), answered.stderr
        assert "authority" not in answered.stderr
