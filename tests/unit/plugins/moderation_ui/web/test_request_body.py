"""The reading of a body: bounded in bytes and time."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from moderation_ui.web import request_body
from moderation_ui.web.errors import ApiError
from moderation_ui.web.request_body import MAX_BYTES, RequestBody
from tests.support.coroutines import run_coroutine


def _scope(**headers: str) -> dict[str, object]:
    pairs = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {
        "type": "http", "method": "POST", "path": "/", "headers": pairs, "query_string": b"",
        "app": None, "state": {},
    }  # fmt: skip


async def _read(chunks: Iterable[bytes], *, ends: bool = True) -> bytes:
    waiting = iter(chunks)

    async def receive() -> Message:
        if (chunk := next(waiting, None)) is not None:
            return {"type": "http.request", "body": chunk, "more_body": True}
        if not ends:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": b"", "more_body": False}

    return await request_body._read(Request(_scope(), receive))


def test_body_of_several_chunks_is_joined() -> None:
    assert run_coroutine(_read([b"a" * 1000, b"b"])) == b"a" * 1000 + b"b"


def test_body_over_the_limit_is_413() -> None:
    chunk = bytes(MAX_BYTES // 4)
    with pytest.raises(ApiError) as caught:
        run_coroutine(_read((chunk for _ in range(10**9)), ends=False))
    assert caught.value.status == 413


def test_body_that_never_ends_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "READ_SECONDS", 0.05)
    with pytest.raises(ApiError) as caught:
        run_coroutine(_read([b"{"], ends=False))
    assert caught.value.status == 408


@pytest.mark.parametrize(
    ("headers", "closes"),
    [({"content_length": "10"}, False), ({"content_length": "9999999"}, True),
     ({"transfer_encoding": "chunked"}, True)],
)  # fmt: skip
def test_request_without_login_is_answered_before_its_body_is_read(
    headers: dict[str, str], closes: bool
) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        sent.append(message)

    async def authenticate(_request: Request) -> None:
        raise HTTPException(401)

    async def app(*_: object) -> None:
        raise AssertionError("the app was called")

    run_coroutine(RequestBody(app, authenticate)(_scope(**headers), receive, send))
    assert sent[0]["status"] == 401
    assert ((b"connection", b"close") in sent[0]["headers"]) is closes
