"""Could there be text in the photo? A cheap measure before the costly recognition."""

import cv2
import numpy as np
from PIL import Image

from ml.screens.grey import small_grey

SHORT_SIDE = 384
_STROKE = 7  # pixels: strokes up to this width stand out, broader areas do not
_CONTRAST = 40  # levels by which a stroke differs from what surrounds it
# The window of a few words: a sixth of the width, a twenty-fourth of the height.
_WINDOW = (6, 24)


def text_likelihood(image: Image.Image) -> float:
    """Largest share (0..1) of thin strokes in any window of the size of a few words.

    Top-hat and black-hat of the grey picture keep what is thinner than a square of 7 pixels, light
    on dark and dark on light. Letters are dense in it, and so are grass and knitwear: the measure
    is made to miss little, not to be sure.
    """
    grey = small_grey(image, SHORT_SIDE)
    square = np.ones((_STROKE, _STROKE), dtype=np.uint8)
    light = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, square)
    dark = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, square)
    strokes = (cv2.max(light, dark) > _CONTRAST).astype(np.float32)
    height, width = grey.shape
    window = (max(width // _WINDOW[0], 1), max(height // _WINDOW[1], 1))
    return float(cv2.blur(strokes, window).max())
