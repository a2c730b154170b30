"""The review queue: one photo large, or a grid; its scripts do the rest over `/api/queue`."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from moderation_ui.web.access import PagePermission, requires
from moderation_ui.web.pages import render
from moderation_ui.web.resources import Resources, language_of, resources

if TYPE_CHECKING:
    from ml.policy.schema import Policy

router = APIRouter(dependencies=[Depends(requires(PagePermission.REVIEW))])

_DIGITS = "123456789"
_NORMAL_KEY, _VIOLATION_KEY = "n", "v"
_PLAIN_REASONS = (
    "low_confidence", "appeal", "contested", "code", "code_unreadable", "text_dominated", "blurred",
    "promotion", "watermark", "near_duplicate_blocked",
)  # fmt: skip


@router.get("/queue", response_class=HTMLResponse)
def queue_page(request: Request, opened: Annotated[Resources, Depends(resources)]) -> HTMLResponse:
    """The page; filters and view are in the address and read by its script."""
    policy = opened.policy
    language = language_of(request)
    facts = {
        "classes": classes_for_page(policy, language),
        "reasons": reasons_for_page(policy),
        "lease_seconds": policy.reviewing.lease_seconds,
        "order": policy.reviewing.order,
    }
    return render(request, "queue.html.j2", script_words=("queue.",), queue=facts)


def classes_for_page(policy: "Policy", language: str) -> list[dict[str, Any]]:
    """The classes in the policy's order, with titles in the language and their keys.

    `keys`: 1..9 by place (later classes have no digit), `n` for the first class that is no
    violation and `v` for the first that is.
    """
    letters = {_first(policy, violation=False): _NORMAL_KEY}
    letters[_first(policy, violation=True)] = _VIOLATION_KEY
    return [
        {
            "name": name,
            "title": getattr(c.title, language),
            "guidance": getattr(c.guidance, language) if c.guidance else "",
            "violation": c.violation,
            "blur": c.blur,
            "keys": [*([letters[name]] if name in letters else []), *_DIGITS[place : place + 1]],
        }
        for place, (name, c) in enumerate(policy.classes.items())
    ]


def reasons_for_page(policy: "Policy") -> list[str]:
    """Reasons that a nightly run can give, as filter values."""
    violations = [name for name, c in policy.classes.items() if c.violation]
    label_issues = [f"label_issue:{name}" for name in policy.classes]
    return [f"violation:{name}" for name in violations] + [*_PLAIN_REASONS] + label_issues


def _first(policy: "Policy", *, violation: bool) -> str:
    return next(name for name, c in policy.classes.items() if c.violation is violation)
