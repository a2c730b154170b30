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
from ml.vision.screens.text.lines import Quad, TextLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image
    from rapidocr import RapidOCR

LONG_SIDE = 640  # pixels of the detector's input; enough for banners and screenshots
_DETECTOR = "PP-OCRv6_det_small.onnx"
_READER = "PP-OCRv6_rec_small.onnx"
_MIN_SCORE = 0.5  # rapidocr's own default: lines read with less confidence are noise

Pixels = npt.NDArray[np.uint8]


class TextReader:
    """Detects lines of text and reads them. Thread-safe.

    The library and 31 MB of models are loaded for the first photo that is read, or by `load`.
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

    def find(self, image: Image.Image) -> list[Quad]:
        """Boxes of lines of text: four corners each, (4, 2), in pixels of the picture."""
        detector, _ = self.load()
        boxes = getattr(detector(_bgr(image)), "boxes", None)
        return [] if boxes is None else [np.asarray(box, dtype=np.float32) for box in boxes]

    def read(self, image: Image.Image, boxes: Sequence[Quad]) -> list[TextLine]:
        """The text in the boxes, in their order; unreadable boxes are left out."""
        if not boxes:
            return []
        _, recognizer = self.load()
        strips = _crop(_bgr(image), boxes)
        usable = [(box, s) for box, s in zip(boxes, strips, strict=True) if min(s.shape[:2]) > 0]
        if not usable:
            return []
        result = recognizer.recognize_txt([strip for _, strip in usable])
        lines = zip(usable, result.txts or (), result.scores or (), strict=True)
        return [
            TextLine(text, float(score), _corners(box))
            for (box, _), text, score in lines
            if text.strip() and score >= _MIN_SCORE
        ]


def _find_models() -> Path:
    """The folder of the models; does not load the library, which takes a second."""
    spec = importlib.util.find_spec("rapidocr")
    models = Path(spec.origin if spec and spec.origin else "").parent / "models"
    for name in (_DETECTOR, _READER):
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
            "Global.use_cls": False,  # upside-down text is rare; the check costs a pass per line
            "Det.model_path": str(models / _DETECTOR),
            "Det.limit_type": "max",
            "Det.limit_side_len": LONG_SIDE,
            "Rec.model_path": str(models / _READER),
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # the callers use all cores
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _crop(pixels: Pixels, boxes: Sequence[Quad]) -> list[Pixels]:
    from rapidocr.utils.process_img import get_rotate_crop_image  # noqa: PLC0415 - as above

    return [get_rotate_crop_image(pixels, box.copy()) for box in boxes]


def _bgr(image: Image.Image) -> Pixels:
    return cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR).astype(np.uint8)


def _corners(box: Quad) -> tuple[tuple[int, int], ...]:
    return tuple((int(x), int(y)) for x, y in box.tolist())
