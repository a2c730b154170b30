"""Run the screens of a policy on one picture; the failure of one does not affect the others."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property

import structlog
from PIL import Image

from ml.core.types import ScreenResult, screen_failed
from ml.policy.screens import Screens
from ml.vision.images.grayscale import Gray, limit_long_side
from ml.vision.screens import barcodes, sharpness
from ml.vision.screens.text import screen
from ml.vision.screens.text.gate import load_gate
from ml.vision.screens.text.ocr import TextReader

log = structlog.get_logger()

Outcomes = dict[str, ScreenResult]
Timer = Callable[[str], AbstractContextManager[None]]


class _Pictures:
    """The reduced pictures that the screens share, made on demand."""

    def __init__(self, image: Image.Image, long_side: int) -> None:
        self._image = image
        self._long_side = long_side

    @cached_property
    def gray(self) -> Gray:
        return limit_long_side(self._image, self._long_side)

    def color(self) -> Image.Image:
        """The RGB picture at the size of the gray one; only OCR needs it, on few photos."""
        size = self.gray.shape[1], self.gray.shape[0]
        if size == self._image.size:
            return self._image
        return self._image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


class ScreenRunner:
    """The enabled screens of a policy that look at the picture. Thread-safe.

    `timed` returns the context manager that times a screen, given its name.

    Raises:
        SettingsError: the text screen is enabled and its models are missing.
    """

    def __init__(self, rules: Screens, timed: Timer = lambda _name: nullcontext()) -> None:
        self.rules = rules
        self._enabled = dict(rules.enabled())
        self._timed = timed
        self._reader = TextReader() if rules.text.enabled else None

    def load(self) -> None:
        """Load what the text screen loads for its first photo, so that a broken file stops now."""
        if self._reader is not None:
            load_gate()
            self._load_reader()

    def run(self, image: Image.Image) -> Outcomes:
        """The result of each enabled screen; a screen that raises is `unknown`.

        The screens see the RGB picture at the long side of the policy. Text is not read: `text` is
        `not_run` where it may be.
        """
        rules, outcomes = self.rules, Outcomes()
        pictures = _Pictures(image, rules.long_side)
        screens: dict[str, Callable[[], ScreenResult]] = {
            sharpness.NAME: lambda: sharpness.screen_sharpness(
                pictures.gray, rules.sharpness.threshold
            ),
            barcodes.NAME: lambda: barcodes.screen_codes(
                pictures.gray, rules.codes.allowed, barcodes.SecondPass(rules.codes.second_pass)
            ),
            screen.NAME: lambda: screen.screen_likelihood(pictures.gray, rules.text),
        }
        for name, run_screen in screens.items():
            if name in self._enabled:
                outcomes[name] = guarded(name, run_screen, self._timed)
        return outcomes

    def read(self, image: Image.Image, likelihood: float) -> ScreenResult:
        """Read the text of a picture of this likelihood; `unknown` if that raises."""
        color = _Pictures(image, self.rules.long_side).color

        def read() -> ScreenResult:
            return screen.read_text(color(), self._load_reader(), likelihood, self.rules.text)

        return guarded(screen.NAME, read, self._timed)

    def prepare_to_read(self) -> None:
        """Load what the first photo to be read would load; an error shows when it is read."""
        with suppress(Exception):
            self._load_reader()

    def _load_reader(self) -> TextReader:
        if self._reader is None:  # pragma: no cover - loaded if the text screen is enabled
            raise RuntimeError("the text screen is not enabled")
        self._reader.load()
        return self._reader


def guarded(name: str, run_screen: Callable[[], ScreenResult], timed: Timer) -> ScreenResult:
    """Run one screen; `unknown` if it raises."""
    try:
        with timed(name):
            return run_screen()
    except Exception as error:  # noqa: BLE001 - no error of a library may stop the shard
        log.warning("a screen failed", screen=name, error=f"{type(error).__name__}: {error}")
        return screen_failed(name, error)


def is_page_of_text(outcomes: Outcomes) -> bool:
    """Whether the text screen found the photo to be a page of text."""
    text = outcomes.get(screen.NAME)
    return text is not None and text.evidence.get(screen.DENSE) is True
