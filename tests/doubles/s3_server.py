"""A real S3 server (moto's), that can fail as S3 does: 503, a lost answer, no conditions.

Run on an address of a host: python -m tests.doubles.s3_server HOST PORT. There `GET /!/FAULT/COUNT` arranges faults.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, Literal, get_args

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "bucket"
# refused: 503 before anything is done. unanswered: done, then 503, so that the client sends it again. late: done after
# half a second. dropped: not done, and no answer for half a second.
Fault = Literal["refused", "unanswered", "late", "dropped"]
LATE_S = 0.5
REVOKED = b"<Error><Code>InvalidAccessKeyId</Code><Message>The access key does not exist.</Message></Error>"

Environment = dict[str, Any]
Respond = Callable[..., Any]


class S3Server:
    """The server's application; `faults` are taken by its next writes, one each. It ignores the `ignored` condition.

    `revoked`: the access keys whose requests it refuses.
    """

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.ignored, self.revoked = "", set[str]()
        self.requests: list[str] = []
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environment: Environment, respond: Respond) -> Iterable[bytes]:
        _, is_order, *order = environment["PATH_INFO"].split("/")
        if is_order == "!":
            self.faults.extend(fault for fault in get_args(Fault) if fault == order[0] for _ in range(int(order[1])))
            respond("204 No Content", [])
            return []
        self.requests.append(f"{environment['REQUEST_METHOD']} {environment['PATH_INFO']}")
        if any(f"Credential={key}/" in environment.get("HTTP_AUTHORIZATION", "") for key in self.revoked):
            environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
            respond("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(REVOKED)))])
            return [REVOKED]
        fault = self.faults.popleft() if environment["REQUEST_METHOD"] == "PUT" and self.faults else None
        if fault in ("late", "dropped"):
            threading.Event().wait(LATE_S)
        environment.pop(f"HTTP_{self.ignored.upper().replace('-', '_')}", None)
        if fault == "unanswered":
            for _ in self._moto(environment, lambda *_: None):
                pass
        if fault in ("refused", "dropped", "unanswered"):
            body = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
            if fault != "unanswered":
                environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
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
    try:
        make_bucket("127.0.0.1", server.port)
        yield application, leads_to("127.0.0.1", server.port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def leads_to(host: str, port: int) -> dict[str, str]:
    """The environment variables that lead a client to the server of an address."""
    return {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }


def make_bucket(host: str, port: int) -> None:
    """Make the bucket of a server."""
    connection = HTTPConnection(host, port)
    connection.request("PUT", f"/{BUCKET}", headers={"Host": f"{host}:{port}"})
    assert connection.getresponse().status == 200
    connection.close()


if __name__ == "__main__":
    make_server(sys.argv[1], int(sys.argv[2]), S3Server(), threaded=True, request_handler=_Quiet).serve_forever()
