"""Second stage: turn the bytes of a photo into the model's pixels and the screens' results.

The nightly run and `/predict` both use it, so that they treat the same photo in the same way. The
work is done by decode workers: a hostile file can neither occupy one for long nor end the run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from ml.core.concurrency import StageTimer
from ml.core.errors import ImageRejected, QuarantineReason, WorkerDied
from ml.core.message_channel import Message
from ml.core.settings import Settings
from ml.core.types import (
    ImageContent,
    PendingImage,
    RejectedImage,
    ScreenResult,
    screen_result_from_json,
)
from ml.core.worker_pool import WorkerPool
from ml.core.worker_process import WorkerProcess
from ml.moderation.pipeline.decode_pool import check_workers, decode_pool
from ml.moderation.pipeline.decode_worker import OUTPUT_BYTES, WorkerConfig
from ml.moderation.pipeline.fetch import Fetched
from ml.moderation.pipeline.ocr_budget import OcrAdmission, OcrCost
from ml.moderation.pipeline.screening import Screening
from ml.moderation.pipeline.shadow import Shadow
from ml.vision.images.fingerprint import content_hash
from ml.vision.images.open_photo import check_bytes, decode_limits
from ml.vision.images.preprocess import Preprocessing
from ml.vision.screens import views

log = structlog.get_logger()

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PreparedImage:
    """One preprocessed photo: pixels uint8 (views, 3, crop, crop) for the model and the shadow."""

    image: PendingImage
    content: ImageContent
    pixels: Pixels
    shadow_pixels: Pixels | None = None
    screens: dict[str, ScreenResult] = field(default_factory=dict)


class Preprocessor:
    """Has photos decoded, fingerprinted, screened and resized for a model's card. Thread-safe.

    `picture_side` is `Screens.picture_side` of the policy, also where the screens do not run.
    `pool` None: the workers of the settings. A photo that takes `slow_seconds` leaves its place to
    the next one; None: once it is overdue.
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
        pool: WorkerPool | None = None,
        slow_seconds: float | None = None,
    ) -> None:
        self._settings, self._clock, self._crop = settings, clock, spec.crop
        self._pool, self._limits = pool or decode_pool(settings), decode_limits(settings)
        self._screening, self._shadow, self._slow_seconds = screening, shadow, slow_seconds
        self._config = WorkerConfig(
            limits=self._limits,
            preprocessing=spec,
            picture_side=picture_side,
            screens=screening.rules if screening else None,
            shadow=shadow.preprocessing if shadow else None,
        ).model_dump_json()

    @property
    def workers(self) -> int:
        """Photos that are in work at a time, without those that are overdue."""
        return self._pool.size

    @property
    def max_processes(self) -> int:
        """Photos that can be in work at a time, with those that are overdue."""
        return self._pool.max_processes

    def prepare(
        self,
        fetched: Fetched,
        admission: OcrAdmission | None = None,
        cancelled: Event | None = None,
        on_overdue: Callable[[], None] = lambda: None,
    ) -> PreparedImage | RejectedImage:
        """Preprocess one photo, or reject it with a reason.

        `admission` decides whether its text is read; None: that of all photos decides. A photo
        whose worker ended gets one more try, in a fresh one, or two if the worker was killed from
        outside; after `cancelled` is set it gets none. `on_overdue` is called when another photo
        may be prepared in its place.

        Raises:
            WorkerFailed: no worker starts, or a fresh one ends on a flawless photo, too.
        """
        try:
            check_bytes(fetched.data, self._limits)
        except ImageRejected as error:
            return RejectedImage(fetched.image, content_hash(fetched.data), error)
        deaths: list[WorkerDied] = []
        while len(deaths) < _max_tries(deaths):
            try:
                return self._try(fetched, admission, cancelled, on_overdue, fresh=bool(deaths))
            except WorkerDied as error:
                deaths.append(error)
                if cancelled is not None and cancelled.is_set():
                    return _rejected(fetched, deaths)
                log.warning("a photo's decode worker ended", tries=len(deaths), error=str(error))
        check_workers(self._settings)
        return _rejected(fetched, deaths)

    def _try(
        self,
        fetched: Fetched,
        admission: OcrAdmission | None,
        cancelled: Event | None,
        on_overdue: Callable[[], None],
        *,
        fresh: bool,
    ) -> PreparedImage | RejectedImage:
        if admission is None and self._screening is not None:
            admission = self._screening.admission
        slow = self._slow_seconds
        with self._pool.worker(fresh=fresh) as worker:

            def mark_overdue() -> None:
                worker.mark_overdue()
                on_overdue()

            result = worker.process.run(
                self._config,
                {"shadow": self._shadow is not None and not self._shadow.disabled},
                fetched.data,
                partial(_answer, admission),
                on_overdue=mark_overdue,
                on_slow=(slow, worker.leave_place) if slow is not None else None,
                cancelled=cancelled,
            )
            if self._screening is not None:
                self._screening.processor_time.add(result["cpu_seconds"])
            for stage, seconds in result["seconds"].items():
                self._clock.add(stage, seconds)
            if "rejected" in result:
                reason, detail = result["rejected"]
                rejection = ImageRejected(QuarantineReason(reason), detail)
                return RejectedImage(fetched.image, result["sha256"], rejection)
            pixels = _read_pixels(worker.process, 0, result["views"], self._crop)
            shadow_pixels = self._shadow_pixels(worker.process, result)
        content = ImageContent(result["sha256"], *result["content"])
        screens = self._screens(result, content)
        return PreparedImage(fetched.image, content, pixels, shadow_pixels, screens)

    def _shadow_pixels(self, process: WorkerProcess, result: Message) -> Pixels | None:
        if self._shadow is None or "shadow" not in result:
            return None
        if error := result["shadow"]:
            self._shadow.disable(error)
            return None
        crop = self._shadow.preprocessing.crop
        return _read_pixels(process, OUTPUT_BYTES // 2, result["views"], crop)

    def _screens(self, result: Message, content: ImageContent) -> dict[str, ScreenResult]:
        stored: dict[str, dict[str, Any]] = result.get("screens", {})
        if "described" in result:
            stored[views.NAME] = result["described"]
        outcomes = {name: screen_result_from_json(name, found) for name, found in stored.items()}
        if self._screening is None:
            return outcomes
        return self._screening.screen_duplicates(outcomes, content, self._clock)


def _read_pixels(process: WorkerProcess, start: int, count: int, crop: int) -> Pixels:
    """A copy: the worker's next photo overwrites the original."""
    data = process.read_output(start, count * 3 * crop**2)
    return np.frombuffer(data, dtype=np.uint8).reshape(count, 3, crop, crop)


def _answer(admission: OcrAdmission | None, message: Message) -> Message | None:
    """Answer a worker that wants to read a photo, or charge what that cost."""
    if "likelihood" in message:
        return {"admitted": admission is not None and admission.admits(message["likelihood"])}
    if admission is not None:
        admission.add_cost(OcrCost(*message["ocr_cost"]))
    return None


def _max_tries(deaths: Sequence[WorkerDied]) -> int:
    """Two; three if the worker was killed from outside, perhaps for another process's memory."""
    return 3 if all(_was_killed(death) for death in deaths) else 2


def _was_killed(death: WorkerDied) -> bool:
    return death.signal_name in ("SIGKILL", "SIGTERM") and not death.overtime


def _rejected(fetched: Fetched, deaths: Sequence[WorkerDied]) -> RejectedImage:
    last = deaths[-1]
    # A decoder that ends by itself has a bug, which the file triggers.
    is_costly = last.overtime or _was_killed(last)
    reason = QuarantineReason.TOO_COSTLY if is_costly else QuarantineReason.CORRUPT
    error = ImageRejected(reason, f"{len(deaths)} tries, {last}")
    return RejectedImage(fetched.image, content_hash(fetched.data), error)
