"""The app, built at its first request: every Airflow process loads plugins, one serves pages."""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]


@cache
def _app() -> "FastAPI":
    from moderation_ui.app import build_app

    return build_app()


async def lazy_app(
    scope: Scope,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Hand a request on to the app (ASGI)."""
    await _app()(scope, receive, send)
