"""Screen `text`: contact details, advertising, or so much text that the photo is a page.

Two steps, since reading costs a hundred times as much as the likelihood of text: the caller decides
which photos are read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
from PIL import Image

from ml.core.types import (
    OVER_BUDGET,
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
from ml.vision.screens.text.gate import estimate_text, text_likelihood
from ml.vision.screens.text.lines import (
    Quad,
    TextLine,
    box_sides,
    covered_share,
    reading_order,
    turn_upright,
)
from ml.vision.screens.text.ocr import BANNER_SIDE, PAGE_SIDE, TextReader
from ml.vision.screens.text.overlays import Overlay, find_overlays

NAME = "text"
DENSE = "dense"  # evidence: the photo is a page of text; PDQ cannot distinguish such photos
_MAX_LINE_LENGTH = 200  # characters kept as evidence

# The default limits of `TextScreen` were chosen on a part of the real photos; docs/screens.md has
# measurements on others.
# - max_text_area: the 99th percentile of 120 photos of products is 0.12; the lower quartile of 40
#   pages is 0.13.
# - max_text_characters: products had up to 85 (those of lines that are not read are estimated).
# - max_lines: the largest lines are read; a line takes about 25 ms.

# Share of cells with text from which the gate expects a page: its letters are small.
_PAGE_COVER = 0.03
# Lines that are read of a photo that is reviewed anyway, in search of a contact detail.
_MAX_CERTAIN_LINES = 4
# Letters per height of a line: Chinese ones have 1, Latin ones 2. By their boxes alone, at most 42
# letters were on 110 products, and 83 or more on 31 of 36 pages.
_LETTERS_PER_HEIGHT = 1.6
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
    is_page = estimate_text(image).cover >= _PAGE_COVER
    boxes = _line_boxes(reader.find(image, PAGE_SIDE if is_page else BANNER_SIDE), image.size)
    photo = _Photo(image.size, likelihood, covered_share(boxes, image.size), len(boxes))
    lines: list[TextLine] = []
    result = _summarize(photo, lines, boxes, rules)
    for number, box in enumerate(boxes[: rules.max_lines]):
        if result.fired and (_is_contact(result) or number >= _MAX_CERTAIN_LINES):
            break
        if (line := reader.read(image, box)) is not None:
            lines.append(line)
        result = _summarize(photo, lines, boxes[number + 1 :], rules)
    return result


def _is_contact(result: ScreenResult) -> bool:
    return (result.reason or "").startswith("contact:")


@dataclass(frozen=True)
class _Photo:
    """What is known of a photo before its lines are read."""

    size: tuple[int, int]
    likelihood: float
    covered: float
    lines: int


def _line_boxes(boxes: Sequence[Quad], size: tuple[int, int]) -> list[Quad]:
    """Boxes that can be lines of text, the largest first: mostly, that is the banner."""
    usable = [box for box in boxes if min(box_sides(box)) <= _MAX_LINE_HEIGHT * min(size)]
    return sorted(usable, key=lambda box: -float(cv2.contourArea(box)))


def _summarize(
    photo: _Photo, lines: Sequence[TextLine], unread: Sequence[Quad], rules: TextScreen
) -> ScreenResult:
    upright, width = turn_upright(lines, photo.size)
    ordered, originals = reading_order(upright), dict(zip(upright, lines, strict=True))
    found = find_contacts([line.text for line in ordered], rules.phone_regions)
    contacts = _without_allowed(found, rules.allowed)
    overlays = _without_allowed(find_overlays(ordered, width), rules.allowed)
    characters = sum(len(line.text) for line in lines)
    is_page = (
        photo.covered >= rules.max_text_area
        or characters + _count_letters(unread) >= rules.max_text_characters
    )
    reasons = [
        *(f"contact:{contact.kind.value}" for contact in contacts),
        *(overlay.kind.value for overlay in overlays if overlay.kind.value in rules.overlays),
        *(["text_dominated"] if is_page else []),
    ]
    evidence: dict[str, Json] = {
        "likelihood": photo.likelihood,
        "read": True,
        "characters": characters,
        DENSE: is_page,
        "lines_found": photo.lines,
        "lines": [_line_evidence(originals[line]) for line in ordered],
        "contacts": [_finding_evidence(contact) for contact in contacts],
        "overlays": [_finding_evidence(overlay) for overlay in overlays],
    }
    if reasons:
        return positive(NAME, reasons[0], photo.covered, evidence)
    return negative(NAME, photo.covered, evidence)


def _count_letters(boxes: Sequence[Quad]) -> float:
    """About how many letters fit into boxes that are not read: so a page need not be read."""
    lengths = (max(box_sides(box)) / max(min(box_sides(box)), 1) for box in boxes)
    return _LETTERS_PER_HEIGHT * sum(lengths)


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
