"""Screen `text`: contact details, advertising, or so much text that the photo is a page."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import cv2
import numpy as np
from PIL import Image

from ml.core.types import Json, ScreenResult, negative, not_run, positive
from ml.policy.screens import TextScreen
from ml.vision.images.grayscale import Gray, gray_pixels
from ml.vision.screens.text.contacts import Contact, find_contacts
from ml.vision.screens.text.gate import OcrAdmission, charge, text_likelihood
from ml.vision.screens.text.lines import Quad, TextLine, covered_share, reading_order
from ml.vision.screens.text.ocr import TextReader
from ml.vision.screens.text.overlays import Overlay, find_overlays

NAME = "text"
DENSE = "dense"  # evidence: the photo is a page of text; PDQ cannot distinguish such photos
_MAX_LINE_LENGTH = 200  # characters kept as evidence

# The default limits of `TextScreen` were chosen on a part of the real photos (that of the gate on
# all pages and banners). On the others the screen fired on 0 of 120 photos of products, on 95 % of
# 62 pages and on 67 % of 73 photos with a banner. docs/screens.md has later measurements.
# - min_text_likelihood: 99 % of 150 banners and of 145 pages reach it, and 62 % of 1,147 photos of
#   products that the gate's network was not trained on.
# - max_text_area: the 99th percentile of 120 photos of products is 0.12; the lower quartile of 40
#   pages is 0.13.
# - max_text_characters: products had up to 85.
# - max_lines: the largest lines are read; a line takes about 35 ms.

# Lines that are read if the area alone makes the photo a page: it is reviewed anyway.
_MAX_PAGE_LINES = 6
# Share of the short side. The detector often returns whole garments as taller "lines"; no line of
# 40 pages was so tall.
_MAX_LINE_HEIGHT = 0.3

Finding = TypeVar("Finding", Contact, Overlay)


def screen_text(
    picture: Image.Image | Gray,
    reader: TextReader,
    admission: OcrAdmission,
    rules: TextScreen | None = None,
    *,
    color: Callable[[], Image.Image] | None = None,
) -> ScreenResult:
    """Fire `contact:<kind>`, an overlay's kind or `text_dominated`, the first that applies.

    The result is `not_run` if the OCR budget goes to likelier photos. The gate is not part of the
    budget: it takes milliseconds, and distinguishes a photo without text from one that was not read
    for lack of time. `value` is the share of the photo under text.

    `color` returns the picture that is read instead, of the same size.
    """
    rules = rules or TextScreen()
    gray = gray_pixels(picture)
    likelihood = text_likelihood(gray)
    if likelihood < rules.min_text_likelihood:
        return negative(NAME, 0.0, {"likelihood": likelihood, "read": False})
    if not admission.admits(likelihood):
        return not_run(NAME, "budget", {"likelihood": likelihood, "read": False})
    reader.load()  # no cost of this photo: the budget's mean would be too high
    with charge(admission):
        image = color() if color is not None else Image.fromarray(gray)
        boxes = _line_boxes(reader.find(image), image.size)
        covered = covered_share(boxes, image.size)
        is_page = covered >= rules.max_text_area
        lines = reader.read(image, boxes[: _MAX_PAGE_LINES if is_page else rules.max_lines])
    return _outcome_of_lines(lines, image.width, covered, likelihood, rules)


def _line_boxes(boxes: Sequence[Quad], size: tuple[int, int]) -> list[Quad]:
    """Boxes that can be lines of text, the largest first."""
    usable = [box for box in boxes if _height(box) <= _MAX_LINE_HEIGHT * min(size)]
    return sorted(usable, key=lambda box: -float(cv2.contourArea(box)))


def _height(box: Quad) -> float:
    """The shorter side of a box in pixels: vertical lines are rotated before they are read."""
    return float(min(np.linalg.norm(box[0] - box[1]), np.linalg.norm(box[0] - box[3])))


def _outcome_of_lines(
    lines: list[TextLine], width: int, covered: float, likelihood: float, rules: TextScreen
) -> ScreenResult:
    ordered = reading_order(lines)
    found = find_contacts([line.text for line in ordered], rules.phone_regions)
    contacts = _without_allowed(found, rules.allowed)
    overlays = _without_allowed(find_overlays(ordered, width), rules.allowed)
    characters = sum(len(line.text) for line in lines)
    dense = covered >= rules.max_text_area or characters >= rules.max_text_characters
    evidence: dict[str, Json] = {
        "likelihood": likelihood,
        "read": True,
        "characters": characters,
        DENSE: dense,
        "lines": [_line_evidence(line) for line in ordered],
        "contacts": [_finding_evidence(contact) for contact in contacts],
        "overlays": [_finding_evidence(overlay) for overlay in overlays],
    }
    reasons = [
        *(f"contact:{contact.kind.value}" for contact in contacts),
        *(overlay.kind.value for overlay in overlays if overlay.kind.value in rules.overlays),
        *(["text_dominated"] if dense else []),
    ]
    if reasons:
        return positive(NAME, reasons[0], covered, evidence)
    return negative(NAME, covered, evidence)


def _without_allowed(findings: list[Finding], allowed: Sequence[re.Pattern[str]]) -> list[Finding]:
    return [f for f in findings if not any(pattern.fullmatch(f.text) for pattern in allowed)]


def _finding_evidence(finding: Contact | Overlay) -> dict[str, Json]:
    return {"kind": finding.kind.value, "text": finding.text[:_MAX_LINE_LENGTH]}


def _line_evidence(line: TextLine) -> dict[str, Json]:
    return {
        "text": line.text[:_MAX_LINE_LENGTH].replace("\x00", "\ufffd"),
        "score": round(line.score, 3),
        "box": [[x, y] for x, y in line.box],
    }
