"""The app: who may see it at all, what every answer carries, and its routers."""

from collections.abc import Awaitable, Callable

from fastapi import Depends, FastAPI, Request, Response

from moderation_ui import (
    appeals,
    help_page,
    home,
    models_api,
    models_page,
    operations,
    operations_photos,
    people_page,
    photos,
    preferences,
    queue_api,
    queue_page,
    refusals,
    reports,
    static_files,
    why_api,
)
from moderation_ui.access import Right, requires
from moderation_ui.same_origin import check_same_origin

# Everything is our own; Plotly writes styles into its charts, hence 'unsafe-inline' for styles.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_ROUTERS = (
    home.router,
    help_page.router,
    static_files.router,
    reports.router,
    queue_api.router,
    queue_page.router,
    why_api.router,
    photos.router,
    preferences.router,
    appeals.router,
    operations.router,
    operations_photos.router,
    models_page.router,
    models_api.router,
    people_page.router,
)


def build_app() -> FastAPI:
    """Every route needs the right to see, and writes a token of our pages; no open documents.

    What asks for more has its own `requires` at its router or route.
    """
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(requires(Right.SEE)), Depends(check_same_origin)],
    )
    app.middleware("http")(_with_headers)
    refusals.install(app)
    for router in _ROUTERS:
        app.include_router(router)
    return app


async def _with_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "private, no-store")
    return response
