"""What scoring gives for one local file, and its JSON."""

from dataclasses import dataclass

from ml.core.types import Evidence, Json, NotFetched, Outcome, RejectedImage, Scored, ScreenResult
from ml.policy.verdict import VIEWS, Verdict

QUARANTINE = "quarantine"  # in place of a decision: the photo cannot be scored
UNREADABLE = "unreadable"  # in place of a decision: the file cannot be read


@dataclass(frozen=True)
class ScoredFile:
    """One file with its verdict; `verdict` is None if it was not scored.

    `seconds` are those of each stage; of the stages of a whole batch, the photo's share.
    """

    path: str
    outcome: Outcome
    verdict: Verdict | None
    seconds: dict[str, float]

    @property
    def decision(self) -> str:
        """`pass`, `review`, `block`, `quarantine` or `unreadable`."""
        if self.verdict is not None:
            return self.verdict.decision.value
        return QUARANTINE if isinstance(self.outcome, RejectedImage) else UNREADABLE

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of the verdict, or of the quarantine."""
        if self.verdict is not None:
            return self.verdict.reasons
        if isinstance(self.outcome, RejectedImage):
            return (self.outcome.error.reason.value,)
        return ()

    @property
    def detail(self) -> str:
        """Why the file was not scored, in words; empty if it was."""
        if isinstance(self.outcome, RejectedImage):
            return self.outcome.error.detail
        return str(self.outcome.error) if isinstance(self.outcome, NotFetched) else ""

    @property
    def screens(self) -> dict[str, ScreenResult]:
        """The screens' results by name; empty if it was not scored."""
        return self.outcome.screens if isinstance(self.outcome, Scored) else {}

    @property
    def frames(self) -> int | None:
        """Frames of the photo; None if it was not scored."""
        if not isinstance(self.outcome, Scored):
            return None
        found = self._views.get("frames")
        return found if isinstance(found, int) else 1

    @property
    def worst_view(self) -> dict[str, Json] | None:
        """Frame, background and part of the view that counts; None: the photo has a single view."""
        views, worst = self._views.get("views"), self._views.get("worst")
        if not isinstance(views, list) or len(views) == 1 or not isinstance(worst, int):
            return None
        view = views[worst]
        return view if isinstance(view, dict) else None

    @property
    def _views(self) -> Evidence:
        result = self.screens.get(VIEWS)
        return result.evidence if result else {}

    def to_json(self) -> dict[str, Json]:
        """All that is known of the file; the same keys for every file."""
        scored = self.outcome if isinstance(self.outcome, Scored) else None
        content = scored.content if scored else None
        sha256 = self.outcome.sha256 if isinstance(self.outcome, RejectedImage) else None
        return {
            "file": self.path,
            "decision": self.decision,
            "reasons": list(self.reasons),
            "detail": self.detail,
            "violation_score": self.verdict.violation_score if self.verdict else None,
            "scores": dict(scored.scores) if scored else None,
            "screens": {name: found.to_json() for name, found in self.screens.items()},
            "frames": self.frames,
            "content_sha256": content.sha256 if content else sha256,
            "width": content.width if content else None,
            "height": content.height if content else None,
            "seconds": dict(self.seconds),
        }
