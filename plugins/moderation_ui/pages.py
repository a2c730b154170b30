"""HTML pages: one template each, escaped throughout, in the person's language."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from moderation_ui.access import Right, may
from moderation_ui.language import Words, language_of
from moderation_ui.same_origin import token_for

_FOLDER = Path(__file__).parent / "templates"


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
        "words": words.starting("common.", "refusals.", *script_words),
    }
    rights = {right.value: may(user, right) for right in Right}
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
    environment.filters |= {"when": _when, "number": _number, "share": _share, "short": _short}
    return environment


def _when(value: datetime | str | None) -> str:
    """A moment for people; the script turns it into the browser's own time zone."""
    if value is None:
        return "–"
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _share(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def _short(model_hash: str | None) -> str:
    return "–" if model_hash is None else model_hash[:12]
