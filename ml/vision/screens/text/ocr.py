"""OCR by rapidocr: PP-OCR for Chinese and English, with the models in its wheel."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from ml.core.errors import SettingsError
from ml.vision.screens.text.lines import Quad, TextLine, box_sides

if TYPE_CHECKING:
    from PIL import Image
    from rapidocr import RapidOCR

BANNER_SIDE = 384  # pixels of the detector's input on the long side: letters of banners
PAGE_SIDE = 640  # letters of screenshots and receipts, for three times the time
_DETECTOR = "PP-OCRv6_det_small.onnx"
_READER = "PP-OCRv6_rec_small.onnx"
_DIRECTION = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
_MIN_SCORE = 0.5  # rapidocr's own default: lines read with less confidence are noise
# Lines read with less confidence may be upside down: of 30 drawn lines, all were read with 0.96 and
# more, and upside down with 0.81 and less. The classifier alone turns a tenth of upright lines.
_MIN_UPRIGHT_SCORE = 0.85
_MAX_CANDIDATES = 300  # contours; a page has fewer, and each takes 0.1 ms
_TALL = 1.5  # height of a box, as a share of its width, from which its text runs vertically
_MAX_LENGTH = 24  # of a line, in heights; a longer one is squeezed: time grows with its length

Pixels = npt.NDArray[np.uint8]


class TextReader:
    """Detects lines of text and reads them. Thread-safe.

    The library and 32 MB of models are loaded for the first photo that is read, or by `load`.
    Detector and recognizer are two engines that are called without arguments: rapidocr stores a
    call's arguments in the engine, where they would affect other threads.

    Raises:
        SettingsError: the installed rapidocr has other models and would download these.
    """

    def __init__(self) -> None:
        self._models = _find_models()
        self._engines: tuple[RapidOCR, RapidOCR] | None = None
        self._lock = threading.Lock()

    def load(self) -> tuple[RapidOCR, RapidOCR]:
        """Detector and recognizer; loaded only once."""
        with self._lock:
            if self._engines is None:
                detector = _engine(self._models, use_det=True, use_rec=False)
                self._engines = detector, _engine(self._models, use_det=False, use_rec=True)
            return self._engines

    def find(self, image: Image.Image, long_side: int = BANNER_SIDE) -> list[Quad]:
        """Boxes of lines of text: four corners each, (4, 2), in pixels of the picture.

        The detector sees the picture with at most `long_side` pixels on the long side.
        """
        detector, _ = self.load()
        factor = min(long_side / max(image.size), 1)
        width, height = (max(round(side * factor), 1) for side in image.size)
        seen = cv2.resize(_bgr(image), (width, height), interpolation=cv2.INTER_AREA)
        boxes = getattr(detector(seen), "boxes", None)
        scale = np.array(image.size) / (width, height)
        return [] if boxes is None else [np.asarray(box * scale, np.float32) for box in boxes]

    def read(self, image: Image.Image, box: Quad) -> TextLine | None:
        """The text in a box; None if it cannot be read.

        The corners begin at the top left of the text, whichever way that is turned.
        """
        upright = np.roll(box, -1, axis=0) if _is_tall(box) else box
        strip = _crop(_bgr(image), upright)
        if strip.size == 0:
            return None
        line = self._recognize(strip, upright)
        if line.score < _MIN_UPRIGHT_SCORE and self._is_upside_down(strip):
            turned = self._recognize(strip[::-1, ::-1], np.roll(upright, 2, axis=0))
            line = max(line, turned, key=lambda found: found.score)
        return line if line.text.strip() and line.score >= _MIN_SCORE else None

    def _recognize(self, strip: Pixels, box: Quad) -> TextLine:
        result = self.load()[1].recognize_txt([strip])
        lines = zip(result.txts or ("",), result.scores or (0.0,), strict=True)
        text, score = next(lines)
        return TextLine(text, float(score), _corners(box))

    def _is_upside_down(self, strip: Pixels) -> bool:
        _, found = self.load()[1].cls_and_rotate([strip])
        return bool(found.cls_res and found.cls_res[0][0] == "180")


def _find_models() -> Path:
    """The folder of the models; does not load the library, which takes a second."""
    spec = importlib.util.find_spec("rapidocr")
    models = Path(spec.origin if spec and spec.origin else "").parent / "models"
    for name in (_DETECTOR, _READER, _DIRECTION):
        if not (models / name).is_file():
            raise SettingsError(
                f"rapidocr holds no {name}: install the version of requirements.txt; "
                "nothing is downloaded"
            )
    return models


def _engine(models: Path, *, use_det: bool, use_rec: bool) -> RapidOCR:
    from rapidocr import RapidOCR  # noqa: PLC0415 - few processes read text

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_det": use_det,
            "Global.use_rec": use_rec,
            "Global.use_cls": False,  # only for lines that were read badly
            "Det.model_path": str(models / _DETECTOR),
            "Det.limit_type": "max",
            "Det.limit_side_len": PAGE_SIDE,
            "Det.max_candidates": _MAX_CANDIDATES,
            "Rec.model_path": str(models / _READER),
            "Rec.rec_img_shape": [3, 48, 48],  # lines are not padded to 320 pixels
            "Cls.model_path": str(models / _DIRECTION),
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # the callers use all cores
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _is_tall(box: Quad) -> bool:
    width, height = box_sides(box)
    return height >= _TALL * width


def _crop(pixels: Pixels, box: Quad) -> Pixels:
    """The text in a box as an upright strip."""
    width, height = (round(side) for side in box_sides(box))
    width = min(width, _MAX_LENGTH * height)
    if min(width, height) == 0:
        return np.empty((0, 0, 3), np.uint8)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    return cv2.warpPerspective(
        pixels,
        cv2.getPerspectiveTransform(box, corners),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.uint8, copy=False)


def _bgr(image: Image.Image) -> Pixels:
    return cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR).astype(np.uint8)


def _corners(box: Quad) -> tuple[tuple[int, int], ...]:
    return tuple((int(x), int(y)) for x, y in box.tolist())
