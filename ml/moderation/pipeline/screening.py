"""The parts of the screens that all photos of a run share: earlier decisions and the OCR budget."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine

from ml.core.budget import Budget
from ml.core.concurrency import StageTimer
from ml.core.types import ImageContent, Scored, ScreenResult
from ml.moderation.pipeline.ocr_budget import OcrBudget
from ml.policy.schema import Policy
from ml.policy.screens import Screens
from ml.storage.blocklist_hashes import listed_hashes
from ml.storage.decided_photos import decided_photos
from ml.vision.screens import near_duplicates
from ml.vision.screens.duplicate_index import DuplicateIndex
from ml.vision.screens.near_duplicates import DuplicateIndexProtocol
from ml.vision.screens.runner import Outcomes, guarded, is_page_of_text
from ml.vision.screens.text import screen as text

# Whether each of the photos would pass if its text said nothing: of others the text is not read.
NeedsText = Callable[[Sequence[Scored]], Sequence[bool]]


@dataclass(frozen=True)
class Screening:
    """The screens of a policy, with the photos that reviewers decided on.

    `budget` and `needs_text` decide which texts a run reads. Thread-safe but for these.
    """

    rules: Screens
    decided: DuplicateIndexProtocol
    budget: OcrBudget
    needs_text: NeedsText
    processor_time: "ProcessorTime"

    def screen_duplicates(
        self,
        outcomes: Outcomes,
        content: ImageContent,
        data: bytes,
        trimmed: tuple[str, int] | None,
        clock: StageTimer,
    ) -> Outcomes:
        """Add the result of `duplicates`, if it is enabled, to those of the other screens.

        `data` are the bytes of the photo, `trimmed` hash and quality of it without its borders.
        """
        if not self.rules.duplicates.enabled:
            return outcomes

        def search() -> ScreenResult:
            return near_duplicates.screen_duplicates(
                content.pdq,
                content.pdq_quality,
                self.decided,
                trimmed=trimmed,
                distance=self.rules.duplicates.distance,
                listed=self.decided.find_listed(content.sha256, data),
            )

        name = near_duplicates.NAME
        return {**outcomes, name: guarded(name, search, lambda n: clock.time(f"screen_{n}"))}


def load_duplicate_index(
    engine: Engine, policy: Policy, *, before: datetime | None
) -> DuplicateIndex:
    """What the screen compares with, of before a moment; None: of up to now."""
    if not policy.screens.duplicates.enabled:
        return DuplicateIndex(())
    decided = decided_photos(engine, policy, before=before)
    return DuplicateIndex(decided, listed_hashes(engine, before=before))


class ProcessorTime:
    """Processor seconds of this process and of the work of its decode workers. Thread-safe."""

    def __init__(self) -> None:
        self._of_workers = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """The seconds until now."""
        return time.process_time() + self._of_workers

    def add(self, seconds: float) -> None:
        """Add what a worker took for a photo."""
        with self._lock:
            self._of_workers += seconds


def add_text(photo: Scored, result: ScreenResult) -> Scored:
    """The photo with the result of reading its text.

    Near duplicates of a page of text say nothing: PDQ cannot distinguish pages. Those that fired
    before it was read stay: no result makes a verdict milder.
    """
    screens = {**photo.screens, text.NAME: result}
    duplicates = photo.screens.get(near_duplicates.NAME)
    if is_page_of_text(screens) and duplicates is not None and duplicates.fired is False:
        screens[near_duplicates.NAME] = near_duplicates.of_page_of_text()
    return replace(photo, screens=screens)


def load_screening(
    rules: Screens,
    decided: DuplicateIndexProtocol,
    needs_text: NeedsText = lambda photos: [True] * len(photos),
    *,
    budget: Budget | None = None,
) -> Screening | None:
    """The screens of a policy; None if none is enabled.

    The OCR `budget` is by default the policy's share of the processor time that is used from now
    on: a share of wall time would let OCR slow down a busy machine further.
    """
    if not rules.verdict_settings:
        return None
    used, share = ProcessorTime(), rules.text.budget_share
    budget = budget or Budget(0.0, rate=share, clock=used)
    return Screening(rules, decided, OcrBudget(budget, share), needs_text, used)
