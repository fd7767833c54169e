"""Who may read the pages: a password, a cookie that lasts, and the headers that browsers obey."""

import asyncio
import hmac
from hashlib import scrypt
from urllib.parse import parse_qs, quote

from itsdangerous import BadSignature, TimestampSigner
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.dashboard.rendering import page

COOKIE, LASTS_S = "gurukul", 30 * 24 * 3600
SIGN_IN, HEALTH = "/sign-in", "/health"
# Seconds that each wrong guess takes; guesses of all browsers wait in one queue.
WRONG_S = 1.0
MOST_FORM_BYTES = 4096
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'self'; base-uri 'none';"
    " form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


class Access:
    """Checks one password and signs the cookie of a browser that gave it.

    The cookie's key comes from the password: it survives a restart of the server, and a new password ends it.
    """

    def __init__(self, password: str) -> None:
        self._password = password.encode()
        self._signer = TimestampSigner(scrypt(self._password, salt=b"gurukul dashboard", n=2**14, r=8, p=1))
        self._queue = asyncio.Lock()

    def admits(self, request: Request) -> bool:
        """Whether the request has a cookie that was signed with this password and has not expired."""
        try:
            self._signer.unsign(request.cookies.get(COOKIE, ""), max_age=LASTS_S)
        except BadSignature:
            return False
        return True

    def is_password(self, entered: str) -> bool:
        """Compare two passwords in a time that does not depend on where they differ."""
        return hmac.compare_digest(entered.encode(), self._password)

    async def sign_in(self, request: Request) -> Response:
        """Show the form, or answer one that was sent."""
        if request.method == "GET":
            return page(request, "sign_in", wrong=False)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_FORM_BYTES:
                return Response("the form is too long", status_code=413)
        entered = parse_qs(body.decode(errors="replace")).get("password", [""])[0]
        if not self.is_password(entered):
            async with self._queue:
                await asyncio.sleep(WRONG_S)
            return page(request, "sign_in", status=403, wrong=True)
        answer = RedirectResponse(_local(request.query_params.get("next", "/")), status_code=303)
        answer.set_cookie(
            COOKIE, self._signer.sign("in").decode(), max_age=LASTS_S, httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
        return answer


async def sign_out(request: Request) -> Response:
    """Remove the cookie."""
    answer = RedirectResponse(SIGN_IN, status_code=303)
    answer.delete_cookie(COOKIE)
    return answer


class Guard:
    """Middleware: adds the headers, and sends a browser without a cookie to the form."""

    def __init__(self, app: ASGIApp, access: Access | None) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the way to the form."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        path = request.url.path
        is_open = path in (SIGN_IN, HEALTH) or path.startswith("/static/")
        if self._access is None or is_open or self._access.admits(request):
            await self._app(scope, receive, sent)
            return
        wanted = path + (f"?{request.url.query}" if request.url.query else "")
        await RedirectResponse(f"{SIGN_IN}?next={quote(wanted)}", status_code=303)(scope, receive, sent)


def _local(path: str) -> str:
    """The path, if it is one of this server; else the first page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
