"""The app: who may see it at all, what every answer carries, and its routers."""

from collections.abc import Awaitable, Callable

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, Request, Response

from moderation_ui import reports

# The permission to read this DAG is the permission to see the pages: it exists in the simple and in
# the FAB auth manager, and an operator who may see a night may see what came of it.
SEEN_WITH = "audit_review_images"

# Pages bring their own style and pictures; nothing is loaded from elsewhere, no script runs.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; "
    "style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}


def build_app() -> FastAPI:
    """Every route needs the right to read the nightly DAG; there are no open documents."""
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(requires_access_dag("GET", param_dag_id=SEEN_WITH))],
    )
    app.middleware("http")(_with_headers)
    app.include_router(reports.router)
    return app


async def _with_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    return response
