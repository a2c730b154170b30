"""Second stage: from the bytes of a photo to the model's pixels and the screens' outcomes.

The night and `/predict` both come through here, so that they see the same photo alike.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ml.errors import ImageRejected
from ml.images.fingerprint import content_hash, perceptual_hash
from ml.images.preprocess import Preprocessing, prepare
from ml.inference.clock import StageClock
from ml.inference.fetch import Fetched
from ml.inference.outcome import Content, Rejected
from ml.inference.scale import Scale
from ml.inference.shadow import Shadow
from ml.screens.outcome import ScreenOutcome
from ml.screens.ranking import Reading
from ml.screens.screening import Screening
from ml.storage.images import PendingImage


@dataclass(frozen=True)
class Prepared:
    """One decoded photo as the model wants it: uint8 (3, crop, crop); and as the shadow does."""

    image: PendingImage
    content: Content
    pixels: npt.NDArray[np.uint8]
    shadow_pixels: npt.NDArray[np.uint8] | None = None
    screens: dict[str, ScreenOutcome] = field(default_factory=dict)


class Preparation:
    """Decodes, fingerprints, screens and resizes. Safe in a pool of threads.

    Args:
        scale: at which scale photos are decoded.
        spec: the preprocessing of the model's card.
        screening: the screens; None runs none.
        shadow: a second model that wants pixels of its own.
        clock: its seconds go to the stage "decode".
    """

    def __init__(
        self,
        scale: Scale,
        spec: Preprocessing,
        *,
        screening: Screening | None,
        shadow: Shadow | None,
        clock: StageClock,
    ) -> None:
        self._scale = scale
        self._spec = spec
        self._screening = screening
        self._shadow = shadow
        self._clock = clock

    def prepare(self, fetched: Fetched, reading: Reading | None = None) -> Prepared | Rejected:
        """One photo; a rejected one with its reason.

        Args:
            fetched: the bytes.
            reading: what text may cost, in place of the screens' own budget.
        """
        with self._clock.time("decode"):
            sha256 = content_hash(fetched.data)
            try:
                photo = self._scale.decode(fetched.data, self._spec)
            except ImageRejected as error:
                return Rejected(fetched.image, sha256, error)
            seen = self._scale.for_model(photo.image, self._spec)
            pdq, quality = perceptual_hash(seen)
            content = Content(sha256, pdq, quality, photo.width, photo.height)
            prepared = Prepared(fetched.image, content, prepare(seen, self._spec))
        if self._screening is not None:
            screens = self._screening.run(photo.image, pdq, quality, reading)
            prepared = replace(prepared, screens=screens)
        if self._shadow is None:
            return prepared
        pixels = self._shadow.pixels(fetched.data, photo, self._spec)
        return replace(prepared, shadow_pixels=pixels)
