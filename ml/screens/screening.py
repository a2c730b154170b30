"""All screens of a policy on one photo: one guarded call each, one outcome each."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import structlog
from PIL import Image

from ml.policy.screening import ScreenAction, Screens, TextScreen
from ml.screens import codes, duplicates, sharpness, text
from ml.screens.budget import Budget
from ml.screens.duplicates import Bank
from ml.screens.grey import reduced_grey
from ml.screens.ocr import TextReader
from ml.screens.outcome import ScreenOutcome, State, failed, not_run
from ml.screens.overlays import OverlayKind
from ml.screens.ranking import Ranking, Reading

log = structlog.get_logger()

SENT_BY_CODE = "sent_by_code"  # reason for which text is not run

Outcomes = dict[str, ScreenOutcome]
Timer = Callable[[str], AbstractContextManager[None]]


class _Pictures:
    """The pictures that the screens share, made when the first one asks."""

    def __init__(self, image: Image.Image, long_side: int) -> None:
        self._image = image
        self._long_side = long_side
        self._grey: Image.Image | None = None

    def grey(self) -> Image.Image:
        if self._grey is None:
            self._grey = reduced_grey(self._image, self._long_side)
        return self._grey

    def colour(self) -> Image.Image:
        """As large as the grey one; few photos are read, and only those need it."""
        size = self.grey().size
        if size == self._image.size:
            return self._image
        return self._image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


class Screening:
    """The screens that a policy switches on. Safe in a pool of threads.

    Args:
        rules: the policy's section.
        decided: photos that people decided on.
        workers: threads that call; what text may cost is a share of their time from now on.
        timed: context of one screen's work, by its name.

    Raises:
        SettingsError: text is to be read and its models are not there.
    """

    def __init__(
        self,
        rules: Screens,
        decided: Bank,
        *,
        workers: int,
        timed: Timer = lambda _name: nullcontext(),
    ) -> None:
        self._rules = rules
        self._decided = decided
        self._timed = timed
        self._text_rules = _text_rules(rules.text)
        self._reader = TextReader() if rules.text.enabled else None
        self._ranking = Ranking(Budget(0.0, share=rules.text.budget_share * workers))

    def run(
        self, image: Image.Image, pdq: str, pdq_quality: int, reading: Reading | None = None
    ) -> Outcomes:
        """The outcome of each screen that is on; one that raises is `unknown`, and no more.

        Args:
            image: RGB picture of any size; the screens look at `long_side` pixels of it.
            pdq: of `perceptual_hash`.
            pdq_quality: 0..100.
            reading: says whether the photo is read, in place of the budget of all calls.
        """
        rules, outcomes = self._rules, Outcomes()
        pictures = _Pictures(image, rules.long_side)
        if rules.sharpness.enabled:
            cut_off = rules.sharpness.cut_off
            outcomes["sharpness"] = self._guarded(
                sharpness.NAME, lambda: sharpness.screen_sharpness(pictures.grey(), cut_off)
            )
        if rules.codes.enabled:
            outcomes["codes"] = self._guarded(codes.NAME, lambda: self._codes(pictures.grey()))
        if rules.text.enabled:
            asked = reading or self._ranking
            sent = self._sent_by_code(outcomes)
            outcomes["text"] = (
                not_run(text.NAME, SENT_BY_CODE)
                if sent
                else self._guarded(text.NAME, lambda: self._text(pictures, asked))
            )
        if rules.duplicates.enabled:
            dense = "text" in outcomes and outcomes["text"].evidence.get(text.DENSE) is True
            outcomes["duplicates"] = self._guarded(
                duplicates.NAME, lambda: self._duplicates(pdq, pdq_quality, dense_text=dense)
            )
        return outcomes

    def _codes(self, picture: Image.Image) -> ScreenOutcome:
        rules = self._rules.codes
        return codes.screen_codes(picture, rules.allowed, codes.SecondPass(rules.second_pass))

    def _sent_by_code(self, outcomes: Outcomes) -> bool:
        """Whether a person sees the photo already: then no budget goes into reading it."""
        found = outcomes.get("codes")
        review = self._rules.codes.action is ScreenAction.REVIEW
        return found is not None and found.state is State.FIRED and review

    def _text(self, pictures: _Pictures, reading: Reading) -> ScreenOutcome:
        if self._reader is None:  # pragma: no cover - it is there where text is on
            raise RuntimeError("no reader")
        return text.screen_text(
            pictures.grey(), self._reader, reading, self._text_rules, colour=pictures.colour
        )

    def _duplicates(self, pdq: str, quality: int, *, dense_text: bool) -> ScreenOutcome:
        distance = self._rules.duplicates.distance
        return duplicates.screen_duplicates(
            pdq, quality, self._decided, distance=distance, dense_text=dense_text
        )

    def _guarded(self, name: str, work: Callable[[], ScreenOutcome]) -> ScreenOutcome:
        try:
            with self._timed(name):
                return work()
        except Exception as error:  # noqa: BLE001 - whatever a library does, the shard goes on
            log.warning("a screen failed", screen=name, error=f"{type(error).__name__}: {error}")
            return failed(name, error)


def _text_rules(rules: TextScreen) -> text.TextRules:
    return text.TextRules(
        gate=rules.gate,
        dominated_share=rules.dominated_share,
        dominated_characters=rules.dominated_characters,
        most_lines=rules.most_lines,
        overlays=frozenset(OverlayKind(kind) for kind in rules.overlays),
        allowed=rules.allowed,
    )
