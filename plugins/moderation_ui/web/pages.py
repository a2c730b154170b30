"""Rendering of pages; home and help."""

from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ml.core.format import count, percent, short_hash
from moderation_ui.web.access import PagePermission, create_token, may
from moderation_ui.web.words import Words, language_of, short_name

router = APIRouter()
_FOLDER = Path(__file__).parents[1] / "templates"


@router.get("/")
def home(request: Request) -> RedirectResponse:
    """To the review queue for those who may review, else to the nightly run."""
    page = "queue" if may(request.state.moderation_user, PagePermission.REVIEW) else "operations"
    return RedirectResponse(f"{base_path(request)}/{page}", status_code=303)


@router.get("/help", response_class=HTMLResponse)
def help_page(request: Request) -> HTMLResponse:
    """The user's permissions."""
    return render(request, "help.html.j2")


def render(
    request: Request, template: str, *, script_words: tuple[str, ...] = (), **values: object
) -> HTMLResponse:
    """A page.

    The template has `words(key, ...)` for every text, `base` (the prefix of our addresses),
    `rights` of the user, and `page` for the script: `token`, `base`, `language` and the texts
    whose keys start with `script_words`. `in_force` is the policy that the page depends on, if any.
    """
    user = request.state.moderation_user
    words, base = Words(language_of(request)), base_path(request)
    page = {
        "token": create_token(user.get_name()),
        "base": base,
        "language": words.language,
        "user": user.get_name(),
        "words": words.starting("common.", "errors.", *script_words),
    }
    rights = {permission.value: may(user, permission) for permission in PagePermission}
    in_force = getattr(request.state, "policy_in_force", None)
    shared = {"words": words, "base": base, "rights": rights, "page": page, "in_force": in_force}
    html = _environment().get_template(template).render(shared, path=request.url.path, **values)
    return HTMLResponse(html)


def base_path(request: Request) -> str:
    """The prefix of the app's addresses, such as `/moderation`."""
    return str(request.scope.get("root_path", ""))


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
        "short_name": short_name,
    }
    return environment


def _when(moment: datetime) -> str:
    """A time for people; the script turns it into the browser's own time zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
