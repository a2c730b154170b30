"""The address without a page's name: to the queue for those who decide, else to last night."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from moderation_ui.access import Right, may

router = APIRouter()


@router.get("/")
def home(request: Request) -> RedirectResponse:
    """To the person's first page."""
    decides = may(request.state.moderation_user, Right.DECIDE)
    base = request.scope.get("root_path", "")
    return RedirectResponse(f"{base}/{'queue' if decides else 'operations'}", status_code=303)
