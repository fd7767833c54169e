"""A proxy between a client and a server whose connections are cut again and again, in the middle of a reply."""

import random
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class CutLine:
    """Forwards bytes to the server at `url`; the first `cuts` connections end after some of the server's bytes."""

    def __init__(self, url: str, cuts: int, seed: int = 0, most_bytes: int = 3000) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 6379)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._left, self._rng, self._most = cuts, random.Random(seed), most_bytes
        self.cuts = 0
        account = parts.netloc.rpartition("@")
        port = self._listener.getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f"{account[0]}{account[1]}127.0.0.1:{port}"))

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                limit = self._rng.randrange(self._most) if self._left > 0 else None
                self._left -= 1
                threading.Thread(target=self._pass_on, args=(client, server, None), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, limit), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536 if limit is None else max(limit, 1)):
                if limit is not None:
                    limit -= len(chunk)
                target.sendall(chunk)
                if limit is not None and limit <= 0:
                    self.cuts += 1
                    break
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
