"""Run all screens of a policy on one photo; the failure of one does not affect the others."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import structlog
from PIL import Image

from ml.core.budget import Budget
from ml.core.types import ScreenResult, ScreenStatus, not_run, screen_failed
from ml.policy.screens import ScreenAction, Screens, TextScreen
from ml.vision.images.grayscale import limit_long_side
from ml.vision.screens import barcodes, near_duplicates, sharpness
from ml.vision.screens.near_duplicates import DuplicateIndexProtocol
from ml.vision.screens.text import screen
from ml.vision.screens.text.ocr import TextReader
from ml.vision.screens.text.overlays import OverlayKind
from ml.vision.screens.text.scheduler import OcrAdmission, OcrScheduler

log = structlog.get_logger()

SENT_BY_CODE = "sent_by_code"  # reason why `text` does not run: a code sends the photo to review

Outcomes = dict[str, ScreenResult]
Timer = Callable[[str], AbstractContextManager[None]]


class _Pictures:
    """The reduced pictures that the screens share, made on demand."""

    def __init__(self, image: Image.Image, long_side: int) -> None:
        self._image = image
        self._long_side = long_side
        self._gray: Image.Image | None = None

    def gray(self) -> Image.Image:
        if self._gray is None:
            self._gray = limit_long_side(self._image, self._long_side)
        return self._gray

    def color(self) -> Image.Image:
        """The RGB picture at the size of the gray one; only OCR needs it, on few photos."""
        size = self.gray().size
        if size == self._image.size:
            return self._image
        return self._image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


class ScreenRunner:
    """The enabled screens of a policy. Thread-safe.

    Args:
        rules: policy section `screens`.
        decided: index of photos that reviewers decided on.
        workers: number of calling threads; the OCR budget is a share of their time from now on.
        timed: returns the context manager that times a screen, given its name.

    Raises:
        SettingsError: the text screen is enabled and its models are missing.
    """

    def __init__(
        self,
        rules: Screens,
        decided: DuplicateIndexProtocol,
        *,
        workers: int,
        timed: Timer = lambda _name: nullcontext(),
    ) -> None:
        self._rules = rules
        self._decided = decided
        self._timed = timed
        self._text_rules = _text_rules(rules.text)
        self._reader = TextReader() if rules.text.enabled else None
        self._scheduler = OcrScheduler(Budget(0.0, rate=rules.text.budget_share * workers))

    def run(
        self, image: Image.Image, pdq: str, pdq_quality: int, admission: OcrAdmission | None = None
    ) -> Outcomes:
        """The result of each enabled screen; a screen that raises is `unknown`.

        Args:
            image: RGB picture of any size; the screens see it at a long side of `long_side` pixels.
            pdq: hash of `perceptual_hash`.
            pdq_quality: 0..100.
            admission: decides whether the photo is read; None: the budget of all calls decides.
        """
        rules, outcomes = self._rules, Outcomes()
        pictures = _Pictures(image, rules.long_side)
        if rules.sharpness.enabled:
            threshold = rules.sharpness.threshold
            outcomes["sharpness"] = self._guarded(
                sharpness.NAME, lambda: sharpness.screen_sharpness(pictures.gray(), threshold)
            )
        if rules.codes.enabled:
            outcomes["codes"] = self._guarded(barcodes.NAME, lambda: self._codes(pictures.gray()))
        if rules.text.enabled:
            outcomes["text"] = (
                not_run(screen.NAME, SENT_BY_CODE)
                if self._sent_by_code(outcomes)
                else self._guarded(
                    screen.NAME, lambda: self._text(pictures, admission or self._scheduler)
                )
            )
        if rules.duplicates.enabled:
            dense = "text" in outcomes and outcomes["text"].evidence.get(screen.DENSE) is True
            outcomes["duplicates"] = self._guarded(
                near_duplicates.NAME, lambda: self._duplicates(pdq, pdq_quality, dense_text=dense)
            )
        return outcomes

    def _codes(self, picture: Image.Image) -> ScreenResult:
        rules = self._rules.codes
        return barcodes.screen_codes(picture, rules.allowed, barcodes.SecondPass(rules.second_pass))

    def _sent_by_code(self, outcomes: Outcomes) -> bool:
        """Whether a code sends the photo to review anyway: then no OCR budget is spent on it."""
        codes = outcomes.get("codes")
        review = self._rules.codes.action is ScreenAction.REVIEW
        return codes is not None and codes.state is ScreenStatus.FIRED and review

    def _text(self, pictures: _Pictures, admission: OcrAdmission) -> ScreenResult:
        if self._reader is None:  # pragma: no cover - loaded if the text screen is enabled
            raise RuntimeError("the text screen is not enabled")
        return screen.screen_text(
            pictures.gray(), self._reader, admission, self._text_rules, color=pictures.color
        )

    def _duplicates(self, pdq: str, quality: int, *, dense_text: bool) -> ScreenResult:
        distance = self._rules.duplicates.distance
        return near_duplicates.screen_duplicates(
            pdq, quality, self._decided, distance=distance, dense_text=dense_text
        )

    def _guarded(self, name: str, work: Callable[[], ScreenResult]) -> ScreenResult:
        try:
            with self._timed(name):
                return work()
        except Exception as error:  # noqa: BLE001 - no error of a library may stop the shard
            log.warning("a screen failed", screen=name, error=f"{type(error).__name__}: {error}")
            return screen_failed(name, error)


def _text_rules(rules: TextScreen) -> screen.TextRules:
    return screen.TextRules(
        min_text_likelihood=rules.min_text_likelihood,
        max_text_area=rules.max_text_area,
        max_text_characters=rules.max_text_characters,
        max_lines=rules.max_lines,
        overlays=frozenset(OverlayKind(kind) for kind in rules.overlays),
        allowed=rules.allowed,
    )
