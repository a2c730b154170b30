"""Who the person is here, and what the pages let them do."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from moderation_ui.pages import render

router = APIRouter()


@router.get("/help", response_class=HTMLResponse)
def help_page(request: Request) -> HTMLResponse:
    """Name, rights and keys."""
    return render(request, "help.html.j2")
