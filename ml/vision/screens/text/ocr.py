"""OCR by rapidocr: PP-OCR for Chinese and English, with the models in its wheel."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import rapidocr
from PIL import Image
from rapidocr import RapidOCR
from rapidocr.utils.process_img import get_rotate_crop_image

from ml.core.errors import SettingsError

LONG_SIDE = 640  # pixels of the detector's input; enough for banners and screenshots
_MODELS = Path(rapidocr.__file__).parent / "models"
_DETECTOR = "PP-OCRv6_det_small.onnx"
_READER = "PP-OCRv6_rec_small.onnx"
_MIN_SCORE = 0.5  # rapidocr's own default: lines read with less confidence are noise

Quad = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class TextLine:
    """One recognized line, its confidence (0..1) and its four corners (x, y) in pixels."""

    text: str
    score: float
    box: tuple[tuple[int, int], ...]


class TextReader:
    """Detects lines of text and reads them. Thread-safe; loads 31 MB of models.

    Detector and recognizer are two engines that are called without arguments: rapidocr stores a
    call's arguments in the engine, where they would affect other threads.

    Raises:
        SettingsError: the installed rapidocr has other models and would download these.
    """

    def __init__(self) -> None:
        self._detector = _engine(use_det=True, use_rec=False)
        self._reader = _engine(use_det=False, use_rec=True)

    def find(self, image: Image.Image) -> list[Quad]:
        """Boxes of lines of text: four corners each, (4, 2), in pixels of the picture."""
        boxes = getattr(self._detector(_bgr(image)), "boxes", None)
        return [] if boxes is None else [np.asarray(box, dtype=np.float32) for box in boxes]

    def read(self, image: Image.Image, boxes: Sequence[Quad]) -> list[TextLine]:
        """The text in the boxes, in their order; unreadable boxes are left out."""
        if not boxes:
            return []
        pixels = _bgr(image)
        strips = [get_rotate_crop_image(pixels, box.copy()) for box in boxes]
        usable = [(box, s) for box, s in zip(boxes, strips, strict=True) if min(s.shape[:2]) > 0]
        if not usable:
            return []
        result = self._reader.recognize_txt([strip for _, strip in usable])
        lines = zip(usable, result.txts or (), result.scores or (), strict=True)
        return [
            TextLine(text, float(score), _corners(box))
            for (box, _), text, score in lines
            if text.strip() and score >= _MIN_SCORE
        ]


def _engine(*, use_det: bool, use_rec: bool) -> RapidOCR:
    for name in (_DETECTOR, _READER):
        if not (_MODELS / name).is_file():
            raise SettingsError(
                f"rapidocr holds no {name}: install the version of requirements.txt; "
                "nothing is downloaded"
            )
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_det": use_det,
            "Global.use_rec": use_rec,
            "Global.use_cls": False,  # upside-down text is rare; the check costs a pass per line
            "Det.model_path": str(_MODELS / _DETECTOR),
            "Det.limit_type": "max",
            "Det.limit_side_len": LONG_SIDE,
            "Rec.model_path": str(_MODELS / _READER),
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # the callers use all cores
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _bgr(image: Image.Image) -> Pixels:
    return cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR).astype(np.uint8)


def _corners(box: Quad) -> tuple[tuple[int, int], ...]:
    return tuple((int(x), int(y)) for x, y in box.tolist())


def reading_order(lines: Sequence[TextLine]) -> list[TextLine]:
    """Sort lines by row, then left to right; centers within half a line height share a row."""
    rows: list[list[TextLine]] = []
    for line in sorted(lines, key=_center_y):
        if rows and _center_y(line) - _center_y(rows[-1][0]) < _height(rows[-1][0]) / 2:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.box[0][0])]


def _center_y(line: TextLine) -> float:
    return sum(y for _, y in line.box) / len(line.box)


def _height(line: TextLine) -> float:
    ys = [y for _, y in line.box]
    return float(max(ys) - min(ys))


def covered_share(boxes: Sequence[Quad], size: tuple[int, int]) -> float:
    """Share (0..1) of a picture of `size` (width, height) that the boxes cover."""
    mask = np.zeros((size[1], size[0]), dtype=np.uint8)
    for box in boxes:
        cv2.fillPoly(mask, [np.rint(box).astype(np.int32)], (1,))
    return float(mask.mean())
