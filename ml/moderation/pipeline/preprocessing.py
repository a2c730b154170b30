"""Second stage: turn the bytes of a photo into the model's pixels and the screens' results.

The nightly run and `/predict` both use it, so that they treat the same photo in the same way.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ml.core.concurrency import StageTimer
from ml.core.errors import ImageRejected
from ml.core.types import ImageContent, PendingImage, RejectedImage, ScreenResult
from ml.moderation.pipeline.fetch import Fetched
from ml.moderation.pipeline.shadow import Shadow
from ml.vision.images.fingerprint import content_hash, perceptual_hash
from ml.vision.images.preprocess import DecodePlan, Preprocessing, prepare
from ml.vision.screens.runner import ScreenRunner
from ml.vision.screens.text.gate import OcrAdmission


@dataclass(frozen=True)
class PreparedImage:
    """One preprocessed photo: pixels uint8 (3, crop, crop) for the model and for the shadow."""

    image: PendingImage
    content: ImageContent
    pixels: npt.NDArray[np.uint8]
    shadow_pixels: npt.NDArray[np.uint8] | None = None
    screens: dict[str, ScreenResult] = field(default_factory=dict)


class Preprocessor:
    """Decodes, fingerprints, screens and resizes photos. Thread-safe.

    Args:
        plan: decides the scale at which photos are decoded.
        spec: the preprocessing of the model's card.
        screening: the screens; None runs none.
        shadow: a second model with a preprocessing of its own.
        clock: times the stage "decode".
    """

    def __init__(
        self,
        plan: DecodePlan,
        spec: Preprocessing,
        *,
        screening: ScreenRunner | None,
        shadow: Shadow | None,
        clock: StageTimer,
    ) -> None:
        self._plan = plan
        self._spec = spec
        self._screening = screening
        self._shadow = shadow
        self._clock = clock

    def prepare(
        self, fetched: Fetched, admission: OcrAdmission | None = None
    ) -> PreparedImage | RejectedImage:
        """Preprocess one photo, or reject it with a reason.

        Args:
            fetched: the bytes.
            admission: decides whether the photo is read; None: the screens' own budget decides.
        """
        with self._clock.time("decode"):
            sha256 = content_hash(fetched.data)
            try:
                photo = self._plan.decode(fetched.data, self._spec)
            except ImageRejected as error:
                return RejectedImage(fetched.image, sha256, error)
            model_image = self._plan.for_model(photo.image, self._spec)
            pdq, quality = perceptual_hash(model_image)
            content = ImageContent(sha256, pdq, quality, photo.width, photo.height)
            prepared = PreparedImage(fetched.image, content, prepare(model_image, self._spec))
        if self._screening is not None:
            screens = self._screening.run(photo.image, pdq, quality, admission)
            prepared = replace(prepared, screens=screens)
        if self._shadow is None:
            return prepared
        pixels = self._shadow.pixels(fetched.data, photo, self._spec)
        return replace(prepared, shadow_pixels=pixels)
