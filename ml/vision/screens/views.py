"""The result `views` of a photo that has several, and the results of screens on all of them."""

from collections.abc import Sequence

from ml.core.types import Evidence, Json, ScreenResult, ScreenStatus, negative, positive
from ml.vision.images.decode import Decoded
from ml.vision.screens import sharpness
from ml.vision.screens.runner import Outcomes

NAME = "views"
_UNJUDGED = "unjudged"  # begin of the reasons: not all of the photo was judged

# The weightiest first. A photo is blurred only if all of its views are.
_ORDER = (ScreenStatus.FIRED, ScreenStatus.UNKNOWN, ScreenStatus.NOT_RUN, ScreenStatus.CLEAR)


def describe_views(photo: Decoded) -> ScreenResult | None:
    """Which views were judged, and whether they are all; None for one that is all of the photo."""
    if len(photo.views) == 1 and photo.unjudged is None:
        return None
    views: list[Json] = [dict(view.to_json()) for view in photo.views]
    evidence: Evidence = {"frames": photo.frames, "views": views}
    if photo.unjudged is None:
        return negative(NAME, evidence=evidence)
    return positive(NAME, f"{_UNJUDGED}_{photo.unjudged}", evidence=evidence)


def merge_outcomes(of_views: Sequence[Outcomes]) -> Outcomes:
    """The weightiest result of each screen; with several views, its evidence names the view."""
    if len(of_views) == 1:
        return of_views[0]
    return {name: _merge([outcomes[name] for outcomes in of_views]) for name in of_views[0]}


def _merge(results: Sequence[ScreenResult]) -> ScreenResult:
    is_sharpness = results[0].name == sharpness.NAME
    order = _ORDER[::-1] if is_sharpness else _ORDER
    index = min(range(len(results)), key=lambda i: order.index(results[i].state))
    found = results[index]
    evidence = found.evidence | {"view": index}
    return ScreenResult(found.name, found.state, found.reason, found.value, evidence)
