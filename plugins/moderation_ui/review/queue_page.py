"""Review queue: the page (its scripts call `/api/queue`), and the user's preferences for it."""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

# At the top: FastAPI reads the body's fields when the app is built.
from ml.review.preferences import Preferences, load_preferences, save_preferences
from moderation_ui.web.access import PagePermission, UserName, requires
from moderation_ui.web.pages import render
from moderation_ui.web.resources import Opened, Resources
from moderation_ui.web.words import language_of

if TYPE_CHECKING:
    from ml.policy.schema import Policy

router = APIRouter(dependencies=[Depends(requires(PagePermission.REVIEW))])

_DIGITS = "123456789"
_OTHER_REASONS = (
    "low_confidence", "appeal", "contested", "code", "code_unreadable", "text_dominated", "blurred",
    "promotion", "watermark", "near_duplicate_blocked",
)  # fmt: skip


@router.get("/queue", response_class=HTMLResponse)
def queue_page(request: Request, opened: Opened) -> HTMLResponse:
    """The page; its script reads filters and view from the address."""
    policy = opened.policy
    facts = {
        "classes": _classes(policy, language_of(request)),
        "reasons": _reasons(policy),
        "lease_seconds": policy.reviewing.lease_seconds,
        "order": policy.reviewing.order,
    }
    return render(request, "queue.html.j2", script_words=("queue.",), queue=facts)


@router.get("/api/preferences")
def load(opened: Opened, user: UserName) -> dict[str, Any]:
    """The user's choices; the policy's order where they chose none."""
    return _view(opened.transaction(lambda c: load_preferences(c, user)), opened)


@router.put("/api/preferences")
def save(body: Preferences, opened: Opened, user: UserName) -> dict[str, Any]:
    """Keep the choices; returns them as `load` does."""
    opened.transaction(lambda c: save_preferences(c, user, body))
    return _view(body, opened)


def _view(chosen: Preferences, opened: Resources) -> dict[str, Any]:
    order = chosen.order or opened.policy.reviewing.order
    return chosen.model_dump(mode="json") | {"order": order}


def _classes(policy: "Policy", language: str) -> list[dict[str, Any]]:
    """The classes in the policy's order, with titles in the language and their keys.

    `keys`: 1..9 by place (later classes have no digit), `n` for the first class that is no
    violation and `v` for the first that is.
    """
    letters = {
        next(name for name, c in policy.classes.items() if c.violation is violation): letter
        for violation, letter in ((False, "n"), (True, "v"))
    }
    return [
        {
            "name": name,
            "title": getattr(c.title, language),
            "guidance": getattr(c.guidance, language) if c.guidance else "",
            "violation": c.violation,
            "blur": c.blur,
            "keys": [*letters.get(name, ""), *_DIGITS[place : place + 1]],
        }
        for place, (name, c) in enumerate(policy.classes.items())
    ]


def _reasons(policy: "Policy") -> list[str]:
    """Reasons that a nightly run can give, as filter values."""
    violations = [f"violation:{name}" for name, c in policy.classes.items() if c.violation]
    label_issues = [f"label_issue:{name}" for name in policy.classes]
    return [*violations, *_OTHER_REASONS, *label_issues]
