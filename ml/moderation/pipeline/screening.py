"""The parts of the screens that all photos of a run share: earlier decisions and the OCR budget."""

from dataclasses import dataclass
from functools import partial

from ml.core.budget import Budget
from ml.core.concurrency import StageTimer
from ml.core.types import ImageContent
from ml.policy.screens import Screens
from ml.vision.screens import near_duplicates
from ml.vision.screens.near_duplicates import DuplicateIndexProtocol
from ml.vision.screens.runner import Outcomes, guarded, is_page_of_text
from ml.vision.screens.text.gate import OcrAdmission, OcrScheduler


@dataclass(frozen=True)
class Screening:
    """The screens of a policy, with the photos that reviewers decided on. Thread-safe.

    `admission` decides which photos are read, unless a caller has its own.
    """

    rules: Screens
    decided: DuplicateIndexProtocol
    admission: OcrAdmission

    def screen_duplicates(
        self, outcomes: Outcomes, content: ImageContent, clock: StageTimer
    ) -> Outcomes:
        """Add the result of `duplicates`, if it is enabled, to those of the other screens."""
        if not self.rules.duplicates.enabled:
            return outcomes
        search = partial(
            near_duplicates.screen_duplicates,
            content.pdq,
            content.pdq_quality,
            self.decided,
            distance=self.rules.duplicates.distance,
            dense_text=is_page_of_text(outcomes),
        )
        name = near_duplicates.NAME
        return {**outcomes, name: guarded(name, search, lambda n: clock.time(f"screen_{n}"))}


def load_screening(
    rules: Screens, decided: DuplicateIndexProtocol, *, workers: int
) -> Screening | None:
    """The screens of a policy; None if none is enabled.

    The OCR budget is a share of the time of `workers` decode workers from now on.
    """
    if not rules.verdict_settings:
        return None
    budget = Budget(0.0, rate=rules.text.budget_share * workers)
    return Screening(rules, decided, OcrScheduler(budget))
