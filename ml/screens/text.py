"""Text in the photo: contact details, advertising, or so much text that the photo is a page."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from onnxruntime.capi.onnxruntime_pybind11_state import (  # type: ignore[import-untyped]
    Fail,
    RuntimeException,
)
from PIL import Image

from ml.screens.contacts import Contact, find_contacts
from ml.screens.ocr import Line, Quad, TextReader, covered_share, reading_order
from ml.screens.outcome import Json, ScreenOutcome, failed, fires, not_run, quiet
from ml.screens.overlays import Overlay, OverlayKind, find_overlays
from ml.screens.ranking import Reading
from ml.screens.text_gate import text_likelihood

NAME = "text"
DENSE = "dense"  # evidence: whether the photo is a page; such are no near duplicates of each other
_LONGEST_LINE = 200  # characters kept as evidence
Finding = TypeVar("Finding", Contact, Overlay)
_ERRORS = (cv2.error, ValueError, RuntimeError, Fail, RuntimeException)


@dataclass(frozen=True)
class TextRules:
    """What follows from text.

    The defaults were set on a part of the real photos (the gate on all pages and banners). On the
    others, of 120 photos of goods none fired, of 62 pages 95 % did, of 73 with a banner 67 %.
    docs/screens.md has what the rules and the gate find since.

    Attributes:
        gate: least `text_likelihood` (0..1) at which the photo is read at all. 99 % of 150 banners
            and of 145 pages reach it, and 62 % of 1,147 photos of goods that the gate's network had
            not seen.
        dominated_share: share (0..1) of the photo under lines of text from which it is a page. Of
            120 photos of goods the 99th percentile is 0.12; of 40 pages the lower quartile is 0.13.
        dominated_characters: the same by what was read; goods had up to 85 characters.
        most_lines: lines that are read, the largest ones; a line takes some 35 ms.
        page_lines: the same of a photo that its boxes alone make a page: a person sees it anyway.
        tallest_line: share (0..1) of the short side. Taller "lines" are whole garments, which the
            detector often frames; no line of 40 pages was so tall.
        overlays: kinds that fire; the others stay evidence.
        allowed: contact details and overlays that are the shop's own, matched wholly.
    """

    gate: float = 0.1
    dominated_share: float = 0.15
    dominated_characters: int = 100
    most_lines: int = 16
    page_lines: int = 6
    tallest_line: float = 0.3
    overlays: frozenset[OverlayKind] = frozenset(OverlayKind)
    allowed: tuple[re.Pattern[str], ...] = ()


def screen_text(
    image: Image.Image,
    reader: TextReader,
    ranking: Reading,
    rules: TextRules | None = None,
    *,
    colour: Callable[[], Image.Image] | None = None,
) -> ScreenOutcome:
    """Fire `contact:<kind>`, `promotion`, `watermark` or `text_dominated`, the first that holds.

    It is not run where the budget goes to likelier photos.

    The gate is outside the budget: it takes milliseconds, and keeps apart a photo that looks free
    of text and one that nobody had the time to read. `value` is the share under text.

    Args:
        image: the picture, in grey or RGB.
        reader: of lines.
        ranking: says whether there is time, and learns what it took.
        rules: what follows from text.
        colour: makes the picture to read, of the same size; None reads `image`.
    """
    rules = rules or TextRules()
    try:
        likelihood = text_likelihood(image)
        if likelihood < rules.gate:
            return quiet(NAME, 0.0, {"likelihood": likelihood, "read": False})
        if not ranking.takes(likelihood):
            return not_run(NAME, "budget", {"likelihood": likelihood, "read": False})
        with ranking.reads():
            picture = colour() if colour is not None else image
            boxes = _lines_only(reader.find(picture), image.size, rules.tallest_line)
            covered = covered_share(boxes, image.size)
            page = covered >= rules.dominated_share
            lines = reader.read(picture, boxes[: rules.page_lines if page else rules.most_lines])
    except _ERRORS as error:
        return failed(NAME, error)
    return _judged(lines, image.size, covered, likelihood, rules)


def _lines_only(boxes: Sequence[Quad], size: tuple[int, int], tallest: float) -> list[Quad]:
    """Boxes that can be lines of text, the largest first."""
    limit = tallest * min(size)
    usable = [box for box in boxes if _height(box) <= limit]
    return sorted(usable, key=lambda box: -float(cv2.contourArea(box)))


def _height(box: Quad) -> float:
    """The shorter side of a box in pixels: upright lines are read turned."""
    return float(min(np.linalg.norm(box[0] - box[1]), np.linalg.norm(box[0] - box[3])))


def _judged(
    lines: list[Line], size: tuple[int, int], covered: float, likelihood: float, rules: TextRules
) -> ScreenOutcome:
    ordered = reading_order(lines)
    contacts = _foreign(find_contacts([line.text for line in ordered]), rules.allowed)
    overlays = _foreign(find_overlays(ordered, size[0]), rules.allowed)
    characters = sum(len(line.text) for line in lines)
    dense = covered >= rules.dominated_share or characters >= rules.dominated_characters
    evidence: dict[str, Json] = {
        "likelihood": likelihood,
        "read": True,
        "characters": characters,
        DENSE: dense,
        "lines": [_evidence(line) for line in ordered],
        "contacts": [_found(contact) for contact in contacts],
        "overlays": [_found(overlay) for overlay in overlays],
    }
    reasons = [
        *(f"contact:{contact.kind.value}" for contact in contacts),
        *(overlay.kind.value for overlay in overlays if overlay.kind in rules.overlays),
        *(["text_dominated"] if dense else []),
    ]
    return fires(NAME, reasons[0], covered, evidence) if reasons else quiet(NAME, covered, evidence)


def _foreign(found: list[Finding], allowed: Sequence[re.Pattern[str]]) -> list[Finding]:
    return [f for f in found if not any(pattern.fullmatch(f.text) for pattern in allowed)]


def _found(finding: Contact | Overlay) -> dict[str, Json]:
    return {"kind": finding.kind.value, "text": finding.text[:_LONGEST_LINE]}


def _evidence(line: Line) -> dict[str, Json]:
    return {
        "text": line.text[:_LONGEST_LINE].replace("\x00", "\ufffd"),
        "score": round(line.score, 3),
        "box": [[x, y] for x, y in line.box],
    }
