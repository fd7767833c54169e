"""The token of metrics: only requests with it are answered."""

import hmac
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from schemas.contract.errors import RequestError
from schemas.redis.private_file import read_private

TOKEN_FILE_ENV = "GURUKUL_METRICS_TOKEN_FILE"
# Set by `orchestrator flower` if Flower's metrics are not open to all: the token, or nothing if only the login counts.
FLOWER_TOKEN_ENV = "GURUKUL_FLOWER_TOKEN"


def read_token(file: Path | None) -> str | None:
    """The token in a file that not every user may read; None without a file, RequestError if it holds none."""
    if file is None:
        return None
    token = read_private(file, "token file", TOKEN_FILE_ENV)
    if not token:
        raise RequestError(f"token file {file} is empty; write one: openssl rand -hex 32")
    return token


def gives(header: str, token: str) -> bool:
    """Whether a request's `Authorization` is `Bearer TOKEN`."""
    return hmac.compare_digest(header.encode("latin-1", "replace"), f"Bearer {token}".encode())


def guarded(app: WSGIApplication, token: str) -> WSGIApplication:
    """The application; to a request without `Authorization: Bearer TOKEN` it answers 401."""

    def answer(environment: WSGIEnvironment, respond: StartResponse) -> object:
        if gives(str(environment.get("HTTP_AUTHORIZATION", "")), token):
            return app(environment, respond)
        respond("401 Unauthorized", [("WWW-Authenticate", "Bearer"), ("Content-Length", "0")])
        return []

    return answer  # type: ignore[return-value]
