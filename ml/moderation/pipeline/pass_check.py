"""Which photos would pass if their text said nothing: only theirs is worth reading."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from ml.core.types import Scored, ScreenStatus, negative
from ml.policy.schema import Policy
from ml.policy.verdict import Decision, decide
from ml.storage.database import in_transaction
from ml.storage.decided_photos import EarlierDecision, earlier_decisions
from ml.vision.screens.text.screen import NAME

LoadEarlier = Callable[[Collection[str]], Mapping[str, EarlierDecision]]


@dataclass(frozen=True)
class PassCheck:
    """Decides which photos would pass; `load_earlier` gets decisions on the same bytes."""

    policy: Policy
    pass_confidence: float
    load_earlier: LoadEarlier = lambda _contents: {}

    def passes(self, photo: Scored, earlier: EarlierDecision | None) -> bool:
        """Whether it would pass by scores and other screens, and not by a reviewer's decision."""
        screens = photo.screens
        if NAME in screens and screens[NAME].state is ScreenStatus.NOT_RUN:
            screens = {**screens, NAME: negative(NAME)}
        verdict = decide(
            photo.scores,
            pass_confidence=self.pass_confidence,
            policy=self.policy,
            screens=screens,
            human_label=earlier.label if earlier else None,
        )
        return verdict.decision is Decision.PASS and not verdict.reused

    def needs_text(self, photos: Sequence[Scored]) -> list[bool]:
        """`passes` of each photo; the decisions on the same bytes are loaded if they matter."""
        passed = [self.passes(photo, None) for photo in photos]
        contents = {p.content.sha256 for p, passes in zip(photos, passed, strict=True) if passes}
        earlier = self.load_earlier(contents) if contents and self.policy.reuses_decisions else {}
        return [
            passes and self.passes(photo, earlier.get(photo.content.sha256))
            for photo, passes in zip(photos, passed, strict=True)
        ]


def earlier_loader(engine: Engine, *, before: datetime | None) -> LoadEarlier:
    """Loads what reviewers decided on contents before a moment; None: until now."""

    def load(contents: Collection[str]) -> Mapping[str, EarlierDecision]:
        return in_transaction(engine, lambda c: earlier_decisions(c, contents, before=before))

    return load
