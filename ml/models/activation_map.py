"""Class activation maps: which regions of a photo speak for a class.

Zhou et al. 2016 (arXiv:1512.04150): the network averages its last feature maps and weights the
averages by its head. Applied to the maps themselves, the same weights show where the evidence lies.
"""

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ml.core.errors import ModelError
from ml.models.checkpoint import Checkpoint
from ml.vision.images.preprocess import MAX_ASPECT, Preprocessing, normalize, prepare

Map = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]

OPACITY = 0.6  # of the overlay where the evidence is strongest


class ActivationMaps:
    """Activation maps of one model version, computed on the CPU."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.card = checkpoint.card
        self._network = checkpoint.build_network()

    def of(self, image: Image.Image, label: str) -> Map:
        """Evidence for `label` by region, scaled to 0..1 within this RGB photo.

        (h, w) of the last feature maps, 7 x 7 for a crop of 224, over the part of the photo that
        `input_crop_box` names. All zeros where the evidence is the same everywhere.

        Raises:
            ModelError: the version does not know the class.
        """
        if label not in self.card.classes:
            raise ModelError(f"`{label}` is not a class of version {self.card.model_hash}")
        pixels = torch.from_numpy(prepare(image, self.card.preprocessing))[None]
        with torch.inference_mode():
            maps = self._network.feature_maps(normalize(pixels, self.card.preprocessing))
            weights = self._network.head.weight[self.card.classes.index(label)]
            evidence: Map = torch.einsum("c,chw->hw", weights, maps.stride_32[0]).numpy()
        span = np.ptp(evidence)
        return (evidence - evidence.min()) / span if span else np.zeros_like(evidence)


def overlay(image: Image.Image, heat: Map, spec: Preprocessing) -> Image.Image:
    """Draw an activation map (h, w), 0..1, over its RGB photo: transparent at 0, yellow, red at 1.

    Returns a new image of the photo's size, unchanged outside of the model's input.
    """
    left, top, right, bottom = box = input_crop_box(image.size, spec)
    scaled = Image.fromarray(heat).resize((right - left, bottom - top), Image.Resampling.BILINEAR)
    strength = np.clip(np.asarray(scaled), 0.0, 1.0)
    color = np.zeros((*strength.shape, 3), dtype=np.uint8)
    color[..., 0] = 255
    color[..., 1] = np.rint(255 * (1 - strength))
    mask = Image.fromarray(np.rint(255 * OPACITY * strength).astype(np.uint8))
    blended = image.copy()
    blended.paste(Image.fromarray(color), box, mask)
    return blended


def input_crop_box(size: tuple[int, int], spec: Preprocessing) -> Box:
    """The model's input within a photo of `size` (width, height): left, upper, right, lower.

    The inverse of `prepare`: in the center, crop / resize of the short side, or with `fit: squash`
    of each side.
    """
    short = min(size)
    # Each side of the part that is resized to `resize` pixels.
    whole = [min(s, MAX_ASPECT * short) if spec.fit == "squash" else short for s in size]
    width, height = (max(1, round(side * spec.crop / spec.resize)) for side in whole)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left, top, left + width, top + height
