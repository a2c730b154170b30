"""Decode worker: decodes, fingerprints, screens and resizes one photo at a time, in its process.

It loads neither the model nor the database, and knows of the run only its configuration.
"""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ml.core.concurrency import StageTimer
from ml.core.errors import ImageRejected, QuarantineReason
from ml.core.message_channel import Message
from ml.core.types import ScreenResult, screen_result_from_json, unknown
from ml.core.worker_loop import Work, serve
from ml.core.yaml_file import StrictModel
from ml.policy.screens import MAX_SIGNALS, Screens
from ml.vision.images.borders import trim_borders
from ml.vision.images.decode import Decoded
from ml.vision.images.fingerprint import content_hash, perceptual_hash
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.preprocess import MAX_CROP, DecodePlan, Preprocessing, prepare
from ml.vision.images.views import MAX_VIEWS
from ml.vision.screens.runner import ScreenRunner, guarded
from ml.vision.screens.signals import MAX_SIDE, SignalInput, prepare_input
from ml.vision.screens.text import screen as text
from ml.vision.screens.views import describe_views, merge_outcomes

# The pixels of all views: for the model, for its shadow, and for signals.
_MODEL_BYTES = MAX_VIEWS * 3 * MAX_CROP**2
_SIGNAL_BYTES = MAX_VIEWS * 3 * MAX_SIDE**2
SHADOW_AT = _MODEL_BYTES
SIGNALS_AT = tuple(2 * _MODEL_BYTES + n * _SIGNAL_BYTES for n in range(MAX_SIGNALS))
OUTPUT_BYTES = 2 * _MODEL_BYTES + MAX_SIGNALS * _SIGNAL_BYTES

Pixels = npt.NDArray[np.uint8]


class WorkerConfig(StrictModel):
    """What a run does with each of its photos.

    `picture_side` is `Screens.picture_side` of the policy, also where `screens` (None) do not run;
    `shadow` is the preprocessing of the shadow model, `signals` are the inputs of signals.
    """

    limits: DecodeLimits
    preprocessing: Preprocessing
    picture_side: int | None = None
    screens: Screens | None = None
    shadow: Preprocessing | None = None
    signals: tuple[SignalInput, ...] = ()


# Processor seconds after which no further view of a photo is read: a page takes up to 2.5, and the
# photo has `MODERATION_DECODE_SECONDS`.
MAX_OCR_SECONDS = 4.0


class PhotoWork:
    """The work of one configuration; see `ml.core.worker_loop.Work`."""

    def __init__(self, config: WorkerConfig, clock: StageTimer) -> None:
        self._config, self._clock = config, clock
        self._plan = DecodePlan(config.limits, config.picture_side)
        self._screens = (
            ScreenRunner(config.screens, lambda name: self._clock.time(f"screen_{name}"))
            if config.screens
            else None
        )

    def __call__(self, request: Message, data: bytes, output: memoryview) -> Message:
        """Prepare one photo: its pixels to `output`, the rest into the result; or read its text.

        The text of a photo is read by a second request, once it is known that this is worth it:
        `read` has the first step's result of each view.
        """
        if "read" in request and self._screens is not None:
            self._screens.prepare_to_read()  # no cost of this photo: the budget's mean would rise
        wall, start = time.monotonic(), time.process_time()
        if "read" in request:
            result = self._read(request["read"], data)
        else:
            result = self._prepare_or_reject(request, data, output)
        seconds = {
            "cpu_seconds": time.process_time() - start,
            "wall_seconds": time.monotonic() - wall,
        }
        return {**result, **seconds, "seconds": self._clock.drain()}

    def _prepare_or_reject(self, request: Message, data: bytes, output: memoryview) -> Message:
        try:
            result = self._prepare(request, data, output)
        except ImageRejected as error:
            result = {"rejected": [error.reason.value, error.detail]}
        except MemoryError:
            detail = "its pixels do not fit into the memory of this machine"
            result = {"rejected": [QuarantineReason.TOO_COSTLY.value, detail]}
        return {**result, "sha256": content_hash(data)}

    def _prepare(self, request: Message, data: bytes, output: memoryview) -> Message:
        spec = self._config.preprocessing
        with self._clock.time("decode"):
            photo = self._plan.decode(data, spec)
            hashed = self._plan.for_model(photo.image, spec)
            pdq, quality = perceptual_hash(hashed)
            views = [hashed] if len(photo.views) == 1 else self._for_model(photo, spec)
            _write(output, 0, [prepare(view, spec) for view in views])
        content = [pdq, quality, photo.width, photo.height]
        result: Message = {"content": content, "views": len(photo.views)}
        if self._config.screens is not None and self._config.screens.duplicates.enabled:
            trimmed = trim_borders(hashed)
            result["trimmed"] = trimmed and perceptual_hash(trimmed)
        if (described := describe_views(photo)) is not None:
            result["described"] = described.to_json()
        if self._screens is not None:
            result |= _run_screens(self._screens, photo)
        if signals := self._config.signals:
            with self._clock.time("screen_signals"):
                for start, signal in zip(SIGNALS_AT, signals, strict=False):
                    _write(output, start, [prepare_input(v.image, signal) for v in photo.views])
        if self._config.shadow is not None and request["shadow"]:
            result |= self._prepare_shadow(self._config.shadow, data, photo, output)
        return result

    def _read(self, stored: list[dict[str, Any]], data: bytes) -> Message:
        """Read the text of the views on which the first step found it likely."""
        found = [screen_result_from_json(text.NAME, result) for result in stored]
        result = guarded(text.NAME, lambda: self._read_views(found, data), lambda _: nullcontext())
        return {"text": result.to_json()}

    def _read_views(self, found: list[ScreenResult], data: bytes) -> ScreenResult:
        """The weightiest result; the likeliest views are read first, while the photo has time."""
        screens = self._screens
        if screens is None:  # pragma: no cover - nobody asks for it
            raise RuntimeError("there are no screens")
        with self._clock.time("screen_text"):
            photo = self._plan.decode(data, self._config.preprocessing)
        start = time.process_time()
        for number in sorted(range(len(found)), key=lambda n: -text.likelihood_of(found[n])):
            if not text.is_unread(found[number]):
                continue
            if time.process_time() - start > MAX_OCR_SECONDS:
                found[number] = unknown(text.NAME, "too_much_text")
                continue
            likelihood = text.likelihood_of(found[number])
            found[number] = screens.read(photo.views[number].image, likelihood)
        return merge_outcomes([{text.NAME: each} for each in found], screens.rules)[text.NAME]

    def _for_model(self, photo: Decoded, spec: Preprocessing) -> list[Image.Image]:
        return [self._plan.for_model(view.image, spec) for view in photo.views]

    def _prepare_shadow(
        self, shadow: Preprocessing, data: bytes, photo: Decoded, output: memoryview
    ) -> Message:
        """Write the pixels by the shadow's own card; no error of a candidate stops the run."""
        start = time.monotonic()
        try:
            if shadow.resize != self._config.preprocessing.resize:
                # The scale of a decode depends on the requested size: the champion's may be too
                # small.
                photo = self._plan.decode(data, shadow)
            pixels = [prepare(view, shadow) for view in self._for_model(photo, shadow)]
            _write(output, SHADOW_AT, pixels)
        except Exception as error:  # noqa: BLE001 - reported, and the shadow scores no more
            return {"shadow": f"{type(error).__name__}: {error}"}
        finally:
            self._clock.add("shadow", time.monotonic() - start)
        return {"shadow": ""}


def _run_screens(screens: ScreenRunner, photo: Decoded) -> Message:
    """The results of all views, and those of each one if its text may be read."""
    of_views = [screens.run(view.image) for view in photo.views]
    merged = merge_outcomes(of_views, screens.rules)
    result: Message = {"screens": {name: found.to_json() for name, found in merged.items()}}
    texts = [outcomes[text.NAME] for outcomes in of_views if text.NAME in outcomes]
    if any(text.is_unread(found) for found in texts):
        result["unread"] = [found.to_json() for found in texts]
    return result


def _write(output: memoryview, start: int, views: Sequence[Pixels]) -> None:
    for pixels in views:
        output[start : start + pixels.nbytes] = pixels.reshape(-1).data
        start += pixels.nbytes


def _make_work(config: str) -> Work:
    return PhotoWork(WorkerConfig.model_validate_json(config), StageTimer())


if __name__ == "__main__":
    cv2.setNumThreads(1)
    serve(_make_work, OUTPUT_BYTES)
