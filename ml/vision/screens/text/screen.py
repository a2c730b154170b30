"""Screen `text`: contact details, advertising, or so much text that the photo is a page.

Two steps, since reading costs a hundred times as much as the likelihood of text: the caller decides
which photos are read.
"""

import re
from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
from PIL import Image

from ml.core.types import (
    Evidence,
    Json,
    ScreenResult,
    ScreenStatus,
    negative,
    not_run,
    positive,
)
from ml.policy.screens import TextScreen
from ml.vision.images.grayscale import Gray, gray_pixels
from ml.vision.screens.text.contacts import Contact, find_contacts
from ml.vision.screens.text.gate import text_likelihood
from ml.vision.screens.text.lines import Quad, TextLine, covered_share, reading_order
from ml.vision.screens.text.ocr import TextReader
from ml.vision.screens.text.overlays import Overlay, find_overlays

NAME = "text"
OVER_BUDGET = "budget"  # reason why a photo with likely text is not read
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
    picture: Image.Image | Gray, reader: TextReader, rules: TextScreen | None = None
) -> ScreenResult:
    """Read the picture if the gate finds text likely enough: both steps, whatever that costs."""
    result = screen_likelihood(picture, rules)
    if not is_unread(result):
        return result
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    return read_text(image, reader, likelihood_of(result), rules)


def screen_likelihood(picture: Image.Image | Gray, rules: TextScreen | None = None) -> ScreenResult:
    """First step, of every photo: `not_run` if text is likely enough to be read, else clear.

    It takes milliseconds, and distinguishes a photo without text from one that was not read.
    """
    rules = rules or TextScreen()
    likelihood = text_likelihood(gray_pixels(picture))
    evidence: Evidence = {"likelihood": likelihood, "read": False}
    if likelihood < rules.min_text_likelihood:
        return negative(NAME, 0.0, evidence)
    return not_run(NAME, OVER_BUDGET, evidence)


def is_unread(result: ScreenResult) -> bool:
    """Whether it is that of a photo that `read_text` may read."""
    return result.state is ScreenStatus.NOT_RUN and result.reason == OVER_BUDGET


def likelihood_of(result: ScreenResult) -> float:
    """The likelihood of text (0..1) that the first step found; 0 if it failed."""
    found = result.evidence.get("likelihood")
    return found if isinstance(found, float) else 0.0


def read_text(
    image: Image.Image, reader: TextReader, likelihood: float, rules: TextScreen | None = None
) -> ScreenResult:
    """Second step: fire `contact:<kind>`, an overlay's kind or `text_dominated`.

    The first that applies counts. `value` is the share of the photo under text.
    """
    rules = rules or TextScreen()
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
