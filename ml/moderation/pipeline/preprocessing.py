"""Second stage: turn the bytes of a photo into the model's pixels and the screens' results.

The nightly run and `/predict` both use it, so that they treat the same photo in the same way. The
work is done by decode workers: a hostile file can neither occupy one for long nor end the run.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.core.concurrency import StageTimer
from ml.core.errors import ImageRejected, QuarantineReason, WorkerDied
from ml.core.message_channel import Message
from ml.core.settings import Settings
from ml.core.types import (
    ImageContent,
    PendingImage,
    RejectedImage,
    ScreenResult,
    ScreenStatus,
    screen_failed,
    screen_result_from_json,
)
from ml.core.worker_pool import WorkerPool
from ml.core.worker_process import WorkerProcess
from ml.moderation.pipeline.decode_pool import decode_pool
from ml.moderation.pipeline.decode_tries import DecodeTries, was_killed
from ml.moderation.pipeline.decode_worker import SHADOW_AT, SIGNALS_AT, WorkerConfig
from ml.moderation.pipeline.fetch import Fetched
from ml.moderation.pipeline.ocr_budget import OcrCost
from ml.moderation.pipeline.screening import Screening
from ml.moderation.pipeline.shadow import Shadow
from ml.vision.images.fingerprint import content_hash
from ml.vision.images.open_photo import check_bytes, decode_limits
from ml.vision.images.preprocess import Preprocessing
from ml.vision.screens import views
from ml.vision.screens.signals import SignalInput
from ml.vision.screens.text import screen as text

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class UnreadText:
    """A photo that may have text, with its bytes, while it is open whether the text is read.

    `of_views` are the results of the text screen's first step, as JSON.
    """

    fetched: Fetched
    sha256: str
    of_views: tuple[dict[str, Any], ...]

    @property
    def likelihood(self) -> float:
        """That of the likeliest view, 0..1."""
        found = (screen_result_from_json(text.NAME, stored) for stored in self.of_views)
        return max(map(text.likelihood_of, found))


@dataclass(frozen=True)
class ReadText:
    """The result of reading a photo's text, and what that took."""

    result: ScreenResult
    cost: OcrCost


@dataclass(frozen=True)
class PreparedImage:
    """One preprocessed photo: pixels uint8 (views, 3, crop, crop) for the model and the shadow.

    `signal_pixels` (views, 3, size, size) are those of each signal.
    """

    image: PendingImage
    content: ImageContent
    pixels: Pixels
    shadow_pixels: Pixels | None = None
    screens: dict[str, ScreenResult] = field(default_factory=dict)
    unread: UnreadText | None = None  # None: there is no text to read
    signal_pixels: tuple[Pixels, ...] = ()


class Preprocessor:
    """Has photos decoded, fingerprinted, screened and resized for a model's card. Thread-safe.

    `picture_side` is `Screens.picture_side` of the policy, also where the screens do not run;
    `signals` are their inputs. `pool` None: the settings' workers; `slow_seconds`: `DecodeTries`.
    """

    def __init__(
        self,
        spec: Preprocessing,
        settings: Settings,
        clock: StageTimer,
        *,
        picture_side: int | None = None,
        screening: Screening | None = None,
        shadow: Shadow | None = None,
        signals: tuple[SignalInput, ...] = (),
        pool: WorkerPool | None = None,
        slow_seconds: float | None = None,
    ) -> None:
        self._clock, self._crop, self._limits = clock, spec.crop, decode_limits(settings)
        self._screening, self._shadow, self._signals = screening, shadow, signals
        self._max_read_seconds = 2 * settings.decode_seconds  # of two tries
        config = WorkerConfig(
            limits=self._limits,
            preprocessing=spec,
            picture_side=picture_side,
            screens=screening.rules if screening else None,
            shadow=shadow.preprocessing if shadow else None,
            signals=signals,
        )
        self._tries = DecodeTries(
            pool or decode_pool(settings),
            config.model_dump_json(),
            settings,
            clock,
            slow_seconds=slow_seconds,
            charge=screening.processor_time.add if screening else lambda _seconds: None,
        )

    @property
    def workers(self) -> int:
        """Photos that are in work at a time, without those that are overdue."""
        return self._tries.pool.size

    @property
    def max_processes(self) -> int:
        """Photos that can be in work at a time, with those that are overdue."""
        return self._tries.pool.max_processes

    def prepare(
        self,
        fetched: Fetched,
        cancelled: Event | None = None,
        on_overdue: Callable[[], None] = lambda: None,
    ) -> PreparedImage | RejectedImage:
        """Preprocess one photo, or reject it with a reason; its text is not read.

        See `DecodeTries.run` for the arguments.

        Raises:
            WorkerFailed: no worker starts, or a fresh one ends on a flawless photo, too.
        """
        try:
            check_bytes(fetched.data, self._limits)
        except ImageRejected as error:
            return RejectedImage(fetched.image, content_hash(fetched.data), error)
        request = {"shadow": self._shadow is not None and not self._shadow.disabled}
        take = partial(self._take_prepared, fetched)
        try:
            return self._tries.run(
                request, fetched.data, take, cancelled=cancelled, on_overdue=on_overdue
            )
        except WorkerDied as error:
            return _rejected(fetched, error)

    def read(
        self,
        unread: UnreadText,
        cancelled: Event | None = None,
        on_overdue: Callable[[], None] = lambda: None,
    ) -> ReadText:
        """Read the text of a prepared photo; `unknown` if its workers end.

        Raises:
            WorkerFailed: as `prepare`.
        """
        start, request = time.monotonic(), {"read": list(unread.of_views)}
        try:
            data = unread.fetched.data
            return self._tries.run(
                request, data, _take_read, cancelled=cancelled, on_overdue=on_overdue
            )
        except WorkerDied as error:
            # What the workers took is unknown; the caller may have waited for one.
            seconds = min(time.monotonic() - start, self._max_read_seconds)
            cost = OcrCost(seconds, seconds, succeeded=False)
            return ReadText(screen_failed(text.NAME, error), cost)

    def _take_prepared(
        self, fetched: Fetched, process: WorkerProcess, result: Message
    ) -> PreparedImage | RejectedImage:
        if "rejected" in result:
            reason, detail = result["rejected"]
            rejection = ImageRejected(QuarantineReason(reason), detail)
            return RejectedImage(fetched.image, result["sha256"], rejection)
        pixels = _read_pixels(process, 0, result["views"], self._crop)
        shadow_pixels = self._shadow_pixels(process, result)
        signal_pixels = tuple(
            _read_pixels(process, start, result["views"], spec.size)
            for start, spec in zip(SIGNALS_AT, self._signals, strict=False)
        )
        content = ImageContent(result["sha256"], *result["content"])
        screens = self._screens(result, content, fetched.data)
        of_views = tuple(result.get("unread", ()))
        unread = UnreadText(fetched, content.sha256, of_views) if of_views else None
        return PreparedImage(
            fetched.image, content, pixels, shadow_pixels, screens, unread, signal_pixels
        )

    def _shadow_pixels(self, process: WorkerProcess, result: Message) -> Pixels | None:
        if self._shadow is None or "shadow" not in result:
            return None
        if error := result["shadow"]:
            self._shadow.disable(error)
            return None
        crop = self._shadow.preprocessing.crop
        return _read_pixels(process, SHADOW_AT, result["views"], crop)

    def _screens(
        self, result: Message, content: ImageContent, data: bytes
    ) -> dict[str, ScreenResult]:
        stored: dict[str, dict[str, Any]] = result.get("screens", {})
        if "described" in result:
            stored[views.NAME] = result["described"]
        outcomes = {name: screen_result_from_json(name, found) for name, found in stored.items()}
        if self._screening is None:
            return outcomes
        trimmed = result.get("trimmed")
        return self._screening.screen_duplicates(outcomes, content, data, trimmed, self._clock)


def _read_pixels(process: WorkerProcess, start: int, count: int, crop: int) -> Pixels:
    """A copy: the worker's next photo overwrites the original."""
    data = process.read_output(start, count * 3 * crop**2)
    return np.frombuffer(data, dtype=np.uint8).reshape(count, 3, crop, crop)


def _take_read(_process: WorkerProcess, result: Message) -> ReadText:
    found = screen_result_from_json(text.NAME, result["text"])
    succeeded = found.state is not ScreenStatus.UNKNOWN
    return ReadText(found, OcrCost(result["wall_seconds"], result["cpu_seconds"], succeeded))


def _rejected(fetched: Fetched, death: WorkerDied) -> RejectedImage:
    # A decoder that ends by itself has a bug, which the file triggers.
    is_costly = death.overtime or was_killed(death)
    reason = QuarantineReason.TOO_COSTLY if is_costly else QuarantineReason.CORRUPT
    error = ImageRejected(reason, str(death))
    return RejectedImage(fetched.image, content_hash(fetched.data), error)
