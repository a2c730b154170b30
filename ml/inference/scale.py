"""At which scale photos are decoded, and which picture of them the model sees."""

from dataclasses import dataclass

from PIL import Image

from ml.images.decode import Decoded, DecodeLimits, decode, draft_factor
from ml.images.preprocess import Preprocessing


@dataclass(frozen=True)
class Scale:
    """One decode for the model and, where they look at pixels, the screens.

    With a `picture_side` (`Screens.picture_side` of the policy) a photo is decoded large enough for
    the screens and then halved, by plain averages, to the scale that the model's own decode would
    have had. So it sees nearly, not exactly, the same pixels; since the side is part of the policy,
    one policy version always gives one and the same.
    """

    limits: DecodeLimits
    picture_side: int | None = None

    def decode(self, data: bytes, spec: Preprocessing) -> Decoded:
        """Decode a photo for all who look at it.

        Raises:
            ImageRejected: see `ml.images.decode.decode`.
        """
        return decode(data, limits=self.limits, short_side=spec.resize, long_side=self.picture_side)

    def for_model(self, image: Image.Image, spec: Preprocessing) -> Image.Image:
        """The decoded picture at the scale that a model with this preprocessing starts from."""
        if self.picture_side is None:
            return image
        factor = draft_factor(image.size, spec.resize)
        return image.reduce(factor) if factor > 1 else image
