"""A real S3 server on the loopback interface (moto's), that can fail as S3 does: 503, a lost answer, no conditions."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "bucket"
# refused: 503 before anything is done. unanswered: done, then 503, so that the client sends it again. late: done after
# half a second. unconditional: done without its condition.
Fault = Literal["refused", "unanswered", "late", "unconditional"]
LATE_S = 0.5

Environment = dict[str, Any]
Respond = Callable[..., Any]


class S3Server:
    """The server's application; `faults` are taken by its next writes, one each."""

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.requests: list[str] = []
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environment: Environment, respond: Respond) -> Iterable[bytes]:
        self.requests.append(f"{environment['REQUEST_METHOD']} {environment['PATH_INFO']}")
        fault = self.faults.popleft() if environment["REQUEST_METHOD"] == "PUT" and self.faults else None
        if fault == "late":
            threading.Event().wait(LATE_S)
        if fault == "unconditional":
            environment.pop("HTTP_IF_NONE_MATCH", None)
        if fault == "unanswered":
            for _ in self._moto(environment, lambda *_: None):
                pass
        if fault in ("refused", "unanswered"):
            body = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
            environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0)) if fault == "refused" else None
            respond("503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]
        found: Iterable[bytes] = self._moto(environment, respond)
        return found


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Print nothing per request."""


@contextmanager
def s3_server() -> Iterator[tuple[S3Server, dict[str, str]]]:
    """A running server with one bucket, and the environment variables that lead a client to it."""
    application = S3Server()
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }
    try:
        _make_bucket(server.port)
        yield application, environment
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _make_bucket(port: int) -> None:
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", port)
    connection.request("PUT", f"/{BUCKET}", headers={"Host": f"127.0.0.1:{port}"})
    assert connection.getresponse().status == 200
    connection.close()
