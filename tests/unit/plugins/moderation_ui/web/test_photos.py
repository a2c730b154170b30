"""Photos of the pages are decoded in slots."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import cast

import pytest
from fastapi import Response

from moderation_ui.web import decoding
from moderation_ui.web.decoding import MAX_DECODES, decode_slot
from moderation_ui.web.errors import ApiError
from moderation_ui.web.photos import MapQuery, MapSize, PhotoSize, activation, photo
from moderation_ui.web.resources import Resources
from tests.support.coroutines import run_coroutine

SHA = "0" * 64
NOT_REACHED = cast("Resources", None)


def _photo() -> Awaitable[Response]:
    return photo(SHA, PhotoSize.SMALL, NOT_REACHED)


def _activation() -> Awaitable[Response]:
    query = MapQuery(model=SHA, label="x", side=MapSize.MIDDLE)
    return activation(SHA, query, NOT_REACHED)


@pytest.mark.parametrize("ask", [_photo, _activation])
def test_picture_waits_for_a_slot(
    ask: Callable[[], Awaitable[Response]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "WAIT_SECONDS", 0.1)

    async def ask_while_all_slots_are_taken() -> ApiError:
        async with AsyncExitStack() as stack:
            for _ in range(MAX_DECODES):
                await stack.enter_async_context(decode_slot())
            with pytest.raises(ApiError) as caught:
                await ask()
        return caught.value

    answer = run_coroutine(ask_while_all_slots_are_taken())
    assert (answer.status, answer.code) == (503, "busy")
