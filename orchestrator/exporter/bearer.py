"""A WSGI application that answers only requests with a token."""

import hmac
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def guarded(app: WSGIApplication, token: str) -> WSGIApplication:
    """The application; to a request without `Authorization: Bearer TOKEN` it answers 401."""
    wanted = f"Bearer {token}".encode()

    def answer(environment: WSGIEnvironment, respond: StartResponse) -> object:
        given = str(environment.get("HTTP_AUTHORIZATION", "")).encode("latin-1", "replace")
        if hmac.compare_digest(given, wanted):
            return app(environment, respond)
        respond("401 Unauthorized", [("WWW-Authenticate", "Bearer"), ("Content-Length", "0")])
        return []

    return answer  # type: ignore[return-value]
