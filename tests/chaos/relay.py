"""A relay between two addresses: ends TLS, or delivers each piece of a stream later than it came.

Run: python -m tests.chaos.relay LISTEN_HOST:PORT TARGET_HOST:PORT [--certificate PEM] [--delay SECONDS]
"""

import argparse
import asyncio
import ssl
from contextlib import suppress


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Copy a stream, each piece `delay_s` after it came, until the sender closes."""
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while data := await reader.read(65536):
            loop.call_later(delay_s, writer.write, data)
    loop.call_later(delay_s, writer.close)


async def _serve(listen: str, target: str, certificate: str | None, delay_s: float) -> None:
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = target.rsplit(":", 1)
        try:
            back, forth = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_carry(reader, forth, delay_s), _carry(back, writer, delay_s))

    host, port = listen.rsplit(":", 1)
    async with await asyncio.start_server(forward, host, int(port), ssl=context) as server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.relay", description=__doc__)
    parser.add_argument("listen")
    parser.add_argument("target")
    parser.add_argument("--certificate")
    parser.add_argument("--delay", type=float, default=0.0)
    given = parser.parse_args()
    asyncio.run(_serve(given.listen, given.target, given.certificate, given.delay))
