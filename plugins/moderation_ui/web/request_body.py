"""Read the body of a write after its sender has logged in, whole, and within limits."""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moderation_ui.web.errors import ApiError, answer

MAX_BYTES = 2**20  # the largest write, of 50 decisions with notes, has a third of it
READ_SECONDS = 10.0
_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")  # no route reads one


class RequestBody:
    """ASGI middleware around the app: FastAPI itself reads the body before it checks the login."""

    def __init__(self, app: ASGIApp, authenticate: Callable[[Request], Awaitable[object]]) -> None:
        self._app, self._authenticate = app, authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] in _WITHOUT_BODY:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            await self._authenticate(request)
            body = await _read(request)
        except HTTPException as error:
            response = await http_exception_handler(request, error)
        except ApiError as error:
            response = answer(error.status, error.code, error.detail)
        except ClientDisconnect:
            return
        else:
            await self._app(scope, _replay(body, receive), send)
            return
        if _is_long(request):
            response.headers["Connection"] = "close"  # else the server would read the rest
        await response(scope, receive, send)


def _is_long(request: Request) -> bool:
    """Whether the body is longer than allowed, or may be."""
    length = request.headers.get("content-length", "0")
    is_short = length.isdecimal() and len(length) < len(str(MAX_BYTES))
    return "transfer-encoding" in request.headers or not is_short


async def _read(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ApiError(413, "invalid", f"at most {MAX_BYTES:,} bytes")
    except TimeoutError as error:
        raise ApiError(408, "invalid", f"no body within {READ_SECONDS:g} s") from error
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once, and then what the server says."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
