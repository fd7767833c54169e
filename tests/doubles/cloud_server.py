"""A server that answers as Google's and Azure's stores do, as far as the project asks: whole objects and conditions.

It keeps objects in memory. A condition is a generation at Google, and at Azure the ETag.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONTAINER = "bucket"
# What Azure's emulators are called with, by every client.
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class CloudServer(ThreadingHTTPServer):
    """The objects by their path, each with its generation. `has_conditions`: whether conditions are obeyed."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.objects: dict[str, tuple[bytes, int]] = {}
        self.lock = threading.Lock()
        self.has_conditions = True


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CloudServer

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing per request."""

    @property
    def _place(self) -> str:
        return self.path.partition("?")[0]

    def do_GET(self) -> None:
        """Answer with an object, or that there is none."""
        found = self.server.objects.get(self._place)
        if found is None:
            self._answer(404)
        else:
            self._answer(200, *found)

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        """Store an object if the condition of the request is met."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            _, now = self.server.objects.get(self._place, (b"", 0))
            if self.server.has_conditions and (status := self._refusal(now)):
                self._answer(status)
                return
            self.server.objects[self._place] = content, now + 1
        self._answer(201 if "x-ms-version" in self.headers else 200, b"", now + 1)

    def do_DELETE(self) -> None:
        """Remove an object of Google's."""
        self._answer(204 if self._removed(self._place) else 404)

    def do_POST(self) -> None:
        """Remove the one object that a batch of Azure's names."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        named = re.search(r"DELETE (\S+) HTTP", body)
        assert named is not None, body
        status = "202 Accepted" if self._removed(named[1].partition("?")[0]) else "404 Not Found"
        part = f"--b\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\nHTTP/1.1 {status}\r\n"
        more = "" if status.startswith("202") else "x-ms-error-code: BlobNotFound\r\n"
        self._answer(202, f"{part}{more}\r\n\r\n--b--\r\n".encode(), kind="multipart/mixed; boundary=b")

    def _removed(self, place: str) -> bool:
        with self.server.lock:
            return self.server.objects.pop(place, None) is not None

    def _refusal(self, now: int) -> int:
        """The status of a request whose condition is not met by the generation of its object; else 0."""
        wanted, tag = self.headers.get("x-goog-if-generation-match"), self.headers.get("If-Match")
        if wanted is not None and int(wanted) != now:
            return 412
        if self.headers.get("If-None-Match") == "*" and now:
            return 409
        return 412 if tag is not None and tag != _tag(now) else 0

    def _answer(self, status: int, content: bytes = b"", generation: int = 0, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if generation:
            self.send_header("ETag", _tag(generation))
            self.send_header("x-goog-generation", str(generation))
            self.send_header("Last-Modified", "Mon, 30 Nov 2026 08:00:00 GMT")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _tag(generation: int) -> str:
    return f'"{sha256(str(generation).encode()).hexdigest()[:16]}"'


@contextmanager
def cloud_server(folder: Path) -> Iterator[tuple[CloudServer, dict[str, str]]]:
    """A running server, and the environment variables that lead a client of `gs://` and `az://` to it."""
    with CloudServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        place = f"http://127.0.0.1:{server.server_port}"
        account = folder / "account.json"
        account.write_text(json.dumps({
            "gcs_base_url": place, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": "",
        }))  # fmt: skip
        try:
            yield (
                server,
                {
                    "AWS_ALLOW_HTTP": "true",
                    "GOOGLE_SERVICE_ACCOUNT": str(account),
                    "AZURE_STORAGE_ACCOUNT_NAME": AZURE_ACCOUNT,
                    "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY,
                    "AZURE_STORAGE_ENDPOINT": f"{place}/{AZURE_ACCOUNT}",
                },
            )
        finally:
            server.shutdown()
            thread.join()
