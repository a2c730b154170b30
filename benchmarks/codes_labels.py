"""Labels with a QR code: a card, a poster, a profile, a damaged sticker, a screenshot."""

from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from PIL import Image, ImageDraw

from benchmarks.codes_symbols import Look, Pixels, Rng, draw_round_code, draw_symbol, make_matrix
from devtools.sample_photos.rendering.fonts import BOLD, SANS, font

ROUND_MODULE = 12  # pixels of a dot of a round code


@dataclass(frozen=True)
class Label:
    """What is printed, `damage` as a share of the side that is covered."""

    version: int
    error: str
    look: Look = field(default_factory=Look)
    setting: Literal["card", "bare", "poster", "screenshot", "profile"] = "card"
    mirrored: bool = False
    round_code: bool = False
    damage: float = 0.0


def draw_label(rng: Rng, label: Label, background: Image.Image) -> tuple[str, Pixels, float]:
    """Payload, picture of the label, and pixels of a module in it."""
    if label.round_code:
        return "", draw_round_code(rng, ROUND_MODULE), float(ROUND_MODULE)
    payload, matrix = make_matrix(rng, label.version, label.error)
    symbol = draw_symbol(matrix, label.look)
    module = symbol.shape[0] / (len(matrix) + 2 * label.look.quiet)
    if label.damage:
        _damage(rng, symbol, label.damage)
    if label.mirrored:
        symbol = np.ascontiguousarray(symbol[:, ::-1])
    if label.setting == "card" and rng.random() < 0.5:
        symbol = _with_lines(rng, symbol, ("Scan me", "Add me", "10 % back")[rng.integers(3)])
    if label.setting == "poster":
        symbol = _poster(rng, symbol, background)
    if label.setting == "profile":
        symbol = _profile(symbol, background)
    return payload, symbol, module


def _damage(rng: Rng, symbol: Pixels, share: float) -> None:
    """A strip is torn off or stained, away from the corner patterns more often than not."""
    side = symbol.shape[0]
    width = round(side * share)
    start = round(side * rng.uniform(0.3, 0.8))
    color = [(235, 230, 220), (60, 50, 45)][rng.integers(2)]
    end = start + round(side * rng.uniform(-0.3, 0.3))
    cv2.line(symbol, (side, start), (side // 2, end), color, width, cv2.LINE_AA)


def _with_lines(rng: Rng, symbol: Pixels, text: str) -> Pixels:
    height, width = symbol.shape[:2]
    label = Image.new("RGB", (width, round(height * 1.25)), tuple(int(v) for v in symbol[1, 1]))
    label.paste(Image.fromarray(symbol), (0, 0))
    pen = ImageDraw.Draw(label)
    color = tuple(int(v) for v in rng.integers(20, 120, 3))
    pen.text((width // 2, round(height * 1.1)), text, color, font(BOLD, width // 9), anchor="mm")
    return np.asarray(label)


def _poster(rng: Rng, symbol: Pixels, background: Image.Image) -> Pixels:
    side = symbol.shape[0]
    width, height = round(side * 1.9), round(side * 2.2)
    poster = Image.new("RGB", (width, height), tuple(int(v) for v in rng.integers(0, 256, 3)))
    poster.paste(background.resize((width, height // 2)), (0, round(height * 0.1)))
    pen = ImageDraw.Draw(poster)
    pen.text((width // 2, height // 20), "Grand opening", "white", font(BOLD, width // 12), "mm")
    for number in range(4):
        at = width // 20, round(height * (0.66 + 0.07 * number))
        pen.text(at, "From 9 to 5 every day", "black", font(SANS, width // 26))
    at = width - round(side * 0.95), height - round(side * 0.9)
    poster.paste(Image.fromarray(symbol).resize((round(side * 0.85),) * 2), at)
    return np.asarray(poster)


def _profile(symbol: Pixels, background: Image.Image) -> Pixels:
    side = symbol.shape[0]
    card = Image.new("RGB", (round(side * 1.2), round(side * 1.6)), "white")
    card.paste(background.resize((side // 5, side // 5)), (side // 10, side // 12))
    pen = ImageDraw.Draw(card)
    pen.text((round(side * 0.36), side // 9), "Mei Lucky", "black", font(BOLD, side // 12))
    pen.text((round(side * 0.36), side // 4), "Shenzhen", "gray", font(SANS, side // 18))
    card.paste(Image.fromarray(symbol), (side // 10, round(side * 0.36)))
    at = round(side * 0.6), round(side * 1.48)
    pen.text(at, "Scan the code to add me", "gray", font(SANS, side // 18), anchor="mm")
    avatar = background.resize((side // 5, side // 5))
    card.paste(avatar, (round(side * 0.5), round(side * 0.76)))
    return np.asarray(card)


def draw_screenshot(rng: Rng, symbol: Pixels, long_side: int, share: float) -> Pixels:
    """A screen of a phone with a chat and a code, not photographed; `share` of the long side."""
    width, side = round(long_side * 0.46), round(long_side * share)
    page = Image.new("RGB", (width, long_side), (237, 237, 237))
    pen = ImageDraw.Draw(page)
    for number in range(int(rng.integers(3, 8))):
        top = round(long_side * (0.03 + 0.05 * number))
        pen.text((width // 12, top), "Is it in stock? " * 2, "black", font(SANS, width // 24))
    at = (width - side) // 2, round(long_side * rng.uniform(0.4, 0.5))
    page.paste(Image.fromarray(symbol).resize((side, side), Image.Resampling.LANCZOS), at)
    return np.array(page)
