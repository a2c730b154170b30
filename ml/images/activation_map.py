"""Which part of a photo speaks for a class: class activation maps.

Zhou et al. 2016 (arXiv:1512.04150): ResNet18 averages its last feature maps and weighs the averages
by the head; the same weights on the maps themselves say where the evidence lies.
"""

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ml.errors import ModelError
from ml.images.preprocess import Preprocessing, normalise, prepare
from ml.model.checkpoint import Checkpoint
from ml.model.resnet18 import build

Map = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]

OPACITY = 0.6  # of the overlay where the evidence is strongest


class ActivationMaps:
    """Maps of one model version, computed on the CPU.

    Raises:
        ModelError: the weights do not fit the architecture of the card.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.card = checkpoint.card
        network = build(len(self.card.classes))
        try:
            network.load_state_dict(checkpoint.state)
        except RuntimeError as error:
            raise ModelError(f"weights do not fit {self.card.architecture}: {error}") from error
        self._head = network.fc.weight.detach()
        # Everything before the average over places.
        self._features = torch.nn.Sequential(*list(network.children())[:-2]).eval()

    def of(self, image: Image.Image, label: str) -> Map:
        """Where the evidence for `label` lies, 0 (least) to 1 (most) within this photo.

        Args:
            image: RGB photo.
            label: a class of the card.

        Returns:
            (h, w) of the last feature maps, 7 x 7 for a crop of 224; it covers what the model sees
            of the photo, see `seen_box`. All zeros where every place says the same.

        Raises:
            ModelError: the version does not know the class.
        """
        if label not in self.card.classes:
            raise ModelError(f"`{label}` is no class of the version {self.card.model_hash}")
        pixels = torch.from_numpy(prepare(image, self.card.preprocessing))[None]
        with torch.inference_mode():
            features = self._features(normalise(pixels, self.card.preprocessing))[0]
            weights = self._head[self.card.classes.index(label)]
            evidence: Map = torch.einsum("c,chw->hw", weights, features).numpy()
        return _to_unit_range(evidence)


def overlay(image: Image.Image, heat: Map, spec: Preprocessing) -> Image.Image:
    """The photo with the map laid over it: clear where there is none, yellow, red at its peak.

    Args:
        image: the RGB photo that the map was made of.
        heat: (h, w), 0 to 1.
        spec: the card's preprocessing, which says what part of the photo the map covers.

    Returns:
        A new RGB image of the photo's size; what the model does not see stays as it is.
    """
    box = seen_box(image.size, spec)
    size = (box[2] - box[0], box[3] - box[1])
    scaled = Image.fromarray(heat.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    strength = np.clip(np.asarray(scaled), 0.0, 1.0)
    colour = np.zeros((*strength.shape, 3), dtype=np.uint8)
    colour[..., 0] = 255
    colour[..., 1] = np.rint(255 * (1 - strength))
    mask = Image.fromarray(np.rint(255 * OPACITY * strength).astype(np.uint8))
    laid = image.copy()
    laid.paste(Image.fromarray(colour), box, mask)
    return laid


def seen_box(size: tuple[int, int], spec: Preprocessing) -> Box:
    """What the model sees of a photo of `size` (width, height): left, upper, right, lower.

    The inverse of `prepare`: the square in the centre, crop / resize of the short side.
    """
    side = max(1, round(min(size) * spec.crop / spec.resize))
    left, top = ((whole - side) // 2 for whole in size)
    return left, top, left + side, top + side


def _to_unit_range(evidence: Map) -> Map:
    lowest, highest = evidence.min(), evidence.max()
    if highest == lowest:
        return np.zeros_like(evidence)
    scaled: Map = (evidence - lowest) / (highest - lowest)
    return scaled
