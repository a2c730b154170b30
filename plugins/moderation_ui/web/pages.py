"""Rendering of pages; home and help."""

from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ml.core.format import MISSING, count, percent, short_hash
from moderation_ui.web.access import PagePermission, may
from moderation_ui.web.csrf import token_for
from moderation_ui.web.resources import Words, language_of

home_router = APIRouter()


@home_router.get("/")
def home(request: Request) -> RedirectResponse:
    """To the person's first page."""
    decides = may(request.state.moderation_user, PagePermission.REVIEW)
    base = request.scope.get("root_path", "")
    return RedirectResponse(f"{base}/{'queue' if decides else 'operations'}", status_code=303)


_FOLDER = Path(__file__).parents[1] / "templates"


def render(
    request: Request, template: str, *, script_words: tuple[str, ...] = (), **values: object
) -> HTMLResponse:
    """A page.

    The template has `words(key, ...)` for every sentence, `base` (the prefix of our addresses),
    `rights` of the user, and `page` for the script: `token`, `base`, `language` and the sentences
    whose keys start with `script_words`.
    """
    user = request.state.moderation_user
    words = Words(language_of(request))
    base = request.scope.get("root_path", "")
    page = {
        "token": token_for(user.get_name()),
        "base": base,
        "language": words.language,
        "user": user.get_name(),
        "words": words.starting("common.", "errors.", *script_words),
    }
    rights = {right.value: may(user, right) for right in PagePermission}
    shown = _environment().get_template(template)
    html = shown.render(
        words=words, base=base, rights=rights, page=page, path=request.url.path, **values
    )
    return HTMLResponse(html)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "when": _when,
        "number": count,
        "share": partial(percent, unit=" %"),
        "short": short_hash,
    }
    return environment


def _when(value: datetime | str | None) -> str:
    """A time for people; the script turns it into the browser's own time zone."""
    if value is None:
        return MISSING
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


help_router = APIRouter()


@help_router.get("/help", response_class=HTMLResponse)
def help_page(request: Request) -> HTMLResponse:
    """Name, rights and keys."""
    return render(request, "help.html.j2")
