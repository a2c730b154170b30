"""The app: its routers, static files, and the headers of every answer."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse

from moderation_ui.models import page as models_page
from moderation_ui.operations import page as operations_page
from moderation_ui.review import queue_api, queue_page, reviewers_page
from moderation_ui.web import errors, pages, photos
from moderation_ui.web.access import PagePermission, authenticate, check_same_origin, requires
from moderation_ui.web.errors import ApiError
from moderation_ui.web.request_body import RequestBody

static_router = APIRouter()
_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript"}
# All resources are ours; 'unsafe-inline' for styles, since Plotly writes them into its charts.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_ROUTERS = (
    static_router,
    pages.router,
    photos.router,
    queue_api.router,
    queue_page.router,
    reviewers_page.router,
    operations_page.router,
    models_page.router,
    models_page.api_router,
)


@static_router.get("/static/{name}")
def static_file(name: str) -> FileResponse:
    """One file of `static/`, or Plotly's script."""
    if name == "plotly.min.js":
        import plotly

        path: Path | None = Path(plotly.__file__).parent / "package_data" / name
    else:
        path = next((path for path in _FOLDER.iterdir() if path.name == name), None)
    if path is None or path.suffix not in _TYPES:
        raise ApiError(404, "absent", "no such file")
    headers = {"Cache-Control": "private, max-age=300"}
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=headers)


def build_app() -> FastAPI:
    """Every route requires `view`, every write a token of these pages; no OpenAPI documents.

    A router or route that requires more has its own `requires`.
    """
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(requires(PagePermission.VIEW)), Depends(check_same_origin)],
    )
    app.add_middleware(RequestBody, authenticate=authenticate)
    app.middleware("http")(_add_headers)
    errors.install(app)
    for router in _ROUTERS:
        app.include_router(router)
    return app


async def _add_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "private, no-store")
    return response
