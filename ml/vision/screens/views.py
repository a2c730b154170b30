"""The result `views` of a photo that has several, and the results of screens on all of them."""

from collections.abc import Sequence

from ml.core.types import (
    UNJUDGED,
    Evidence,
    Json,
    ScreenResult,
    ScreenStatus,
    negative,
    positive,
)
from ml.policy.screens import ScreenAction, Screens
from ml.vision.images.decode import Decoded
from ml.vision.screens import sharpness
from ml.vision.screens.runner import Outcomes

NAME = "views"

# A photo is blurred only if all of its views are. Where firing is evidence alone, a failure weighs
# more.
_FIRED, _CLEAR = (ScreenStatus.FIRED,), (ScreenStatus.CLEAR,)
_OPEN = (ScreenStatus.UNKNOWN, ScreenStatus.NOT_RUN)


def describe_views(photo: Decoded) -> ScreenResult | None:
    """Which views were judged, and whether they are all; None for one that is all of the photo."""
    if len(photo.views) == 1 and photo.unjudged is None:
        return None
    views: list[Json] = [dict(view.to_json()) for view in photo.views]
    evidence: Evidence = {"frames": photo.frames, "views": views}
    if photo.unjudged is None:
        return negative(NAME, evidence=evidence)
    return positive(NAME, f"{UNJUDGED}_{photo.unjudged}", evidence=evidence)


def merge_outcomes(of_views: Sequence[Outcomes], rules: Screens) -> Outcomes:
    """The weightiest result of each screen; with several views, its evidence names the view."""
    if len(of_views) == 1:
        return of_views[0]
    reviewed = {name for name, rule in rules.enabled() if rule.action is ScreenAction.REVIEW}
    return {
        name: _merge([outcomes[name] for outcomes in of_views], _order(name, name in reviewed))
        for name in of_views[0]
    }


def _order(name: str, is_reviewed: bool) -> tuple[ScreenStatus, ...]:
    if name == sharpness.NAME:
        return (*_OPEN, *_CLEAR, *_FIRED)
    return (*_FIRED, *_OPEN, *_CLEAR) if is_reviewed else (*_OPEN, *_FIRED, *_CLEAR)


def _merge(results: Sequence[ScreenResult], order: tuple[ScreenStatus, ...]) -> ScreenResult:
    index = min(range(len(results)), key=lambda i: order.index(results[i].state))
    found = results[index]
    evidence = found.evidence | {"view": index}
    return ScreenResult(found.name, found.state, found.reason, found.value, evidence)
