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


@dataclass(frozen=True)
class Preprocessor:
    """Decodes, fingerprints, screens and resizes photos for a model's card. Thread-safe."""

    plan: DecodePlan
    spec: Preprocessing
    clock: StageTimer
    screening: ScreenRunner | None
    shadow: Shadow | None = None

    def prepare(
        self, fetched: Fetched, admission: OcrAdmission | None = None
    ) -> PreparedImage | RejectedImage:
        """Preprocess one photo, or reject it with a reason.

        `admission` decides whether its text is read; None: the screens' own budget decides.
        """
        with self.clock.time("decode"):
            sha256 = content_hash(fetched.data)
            try:
                photo = self.plan.decode(fetched.data, self.spec)
            except ImageRejected as error:
                return RejectedImage(fetched.image, sha256, error)
            model_image = self.plan.for_model(photo.image, self.spec)
            pdq, quality = perceptual_hash(model_image)
            content = ImageContent(sha256, pdq, quality, photo.width, photo.height)
            prepared = PreparedImage(fetched.image, content, prepare(model_image, self.spec))
        if self.screening is not None:
            screens = self.screening.run(photo.image, pdq, quality, admission)
            prepared = replace(prepared, screens=screens)
        if self.shadow is None:
            return prepared
        pixels = self.shadow.pixels(fetched.data, photo, self.spec)
        return replace(prepared, shadow_pixels=pixels)
