"""Photos of QR codes as phones take them, by kind; the same bytes for the same seed.

Backgrounds are given. The half `choose` is for choosing settings, `report` for the figures: other
seeds, other backgrounds, and a wider range of sizes and qualities.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from benchmarks import codes_camera as camera
from benchmarks.codes_labels import Label, draw_label, draw_screenshot
from benchmarks.codes_symbols import Look, Pixels, Rng

Half = Literal["choose", "report"]
SEED = 20261130
MIN_MODULE = 1.7  # pixels of a module where the photo has 800; below, only `small` codes are
_SIDES = {"choose": (800, 1080, 1440), "report": (720, 960, 1280, 1800)}
_QUALITIES = {"choose": (50, 90), "report": (40, 92)}
_DEGREE = np.pi / 180
_MIN_BLUR = 0.4  # pixels


@dataclass(frozen=True)
class Shot:
    """All that is drawn at random of one photo; angles in radians, lengths of blur in modules."""

    label: Label
    share: float  # of the long side of the photo
    tilt: float = 0.0
    turn: float = 0.0
    cup: float = 0.0
    crease: float = 0.0
    glare: int = 0
    shadow: float = 1.0
    light: float = 1.0
    amplified: float = 1.0
    moire: bool = False
    motion: float = 0.0
    defocus: float = 0.0
    copies: int = 1


@dataclass(frozen=True)
class CodePhoto:
    """One photo with a code; `payload` is empty for a round code, which no reader reads."""

    kind: str
    data: bytes
    payload: str


def _hue(rng: Rng, value: float, saturation: float) -> tuple[int, int, int]:
    pixel = np.array([[[rng.integers(180), 255 * saturation, 255 * value]]], np.uint8)
    red, green, blue = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def _colors(rng: Rng) -> Look:
    pairs = (
        Look(dark=_hue(rng, 0.55, 0.9), light=(250, 250, 250)),
        Look(dark=(20, 20, 20), light=_hue(rng, 0.95, 0.7)),
        Look(dark=(205, 20, 30), light=(40, 190, 70)),
        Look(dark=(20, 60, 230), light=(235, 110, 30)),
        Look(dark=(230, 90, 10), light=(250, 235, 120)),
    )
    return pairs[rng.integers(len(pairs))]


def _inverted(rng: Rng) -> Look:
    dark = ((245, 245, 245), (255, 220, 120), (170, 220, 255))[rng.integers(3)]
    return Look(dark=dark, light=_hue(rng, 0.25, 0.8), quiet=rng.uniform(1, 4))


_LABEL_FIELDS = frozenset(field.name for field in fields(Label))

# Kind: what differs from an easy shot.
KINDS: dict[str, Callable[[Rng], dict[str, Any]]] = {
    "card": lambda _: {},
    "sticker": lambda g: {"setting": "bare", "look": Look(quiet=g.uniform(0.5, 2.5))},
    "cup": lambda g: {"cup": g.uniform(0.5, 1.0)},
    "creased": lambda g: {"crease": g.uniform(0.006, 0.022)},
    "oblique": lambda g: {"tilt": g.uniform(35, 55) * _DEGREE, "share": g.uniform(0.25, 0.6)},
    "glare": lambda g: {"glare": int(g.integers(1, 5))},
    "dark": lambda g: {"light": g.uniform(0.06, 0.3), "amplified": g.uniform(1.0, 3.0)},
    "motion": lambda g: {"motion": g.uniform(0.7, 1.6)},
    "defocused": lambda g: {"defocus": g.uniform(0.5, 1.0)},
    "small": lambda g: {"version": int(g.integers(1, 6)), "share": g.uniform(0.05, 0.09)},
    "close": lambda g: {"share": g.uniform(0.6, 0.8), "version": int(g.integers(1, 11))},
    "dense": lambda g: {"version": int(g.integers(11, 26)), "share": g.uniform(0.35, 0.7)},
    "screen": lambda g: {"moire": True, "share": g.uniform(0.2, 0.6)},
    "shadow": lambda g: {"shadow": g.uniform(0.15, 0.4)},
    "inverted": lambda g: {"look": _inverted(g)},
    "colored": lambda g: {"look": _colors(g)},
    "dots": lambda _: {"look": Look(modules="dot")},
    "rounded finders": lambda g: {
        "look": Look(modules="dot", finders=("rounded", "circle")[g.integers(2)])
    },
    "dotted finders": lambda g: {
        "look": Look(modules="dot", finders=("dotted", "dotted_ring")[g.integers(2)])
    },
    "logo": lambda g: {"look": Look(logo=g.uniform(0.18, 0.28)), "error": "qh"[g.integers(2)]},
    "mirrored": lambda _: {"mirrored": True},
    "upside down": lambda g: {"turn": g.uniform(165, 195) * _DEGREE},
    "screenshot": lambda _: {"setting": "screenshot", "turn": 0.0, "tilt": 0.0},
    "poster": lambda g: {"setting": "poster", "share": g.uniform(0.45, 0.9)},
    "profile": lambda g: {"setting": "profile", "share": g.uniform(0.35, 0.8)},
    "damaged": lambda g: {"damage": g.uniform(0.05, 0.15), "error": "mqh"[g.integers(3)]},
    "several": lambda g: {"copies": int(g.integers(3, 7)), "share": g.uniform(0.15, 0.25)},
    "round code": lambda g: {"round_code": True, "share": g.uniform(0.2, 0.6)},
}
NO_QR_CODE = "round code"


def code_photos(
    half: Half, each: int, backgrounds: Sequence[Image.Image], kinds: Sequence[str] = tuple(KINDS)
) -> Iterator[CodePhoto]:
    """Yield `each` photos of every kind."""
    for kind in kinds:
        for number in range(each):
            rng = np.random.default_rng([SEED, half == "report", zlib.crc32(kind.encode()), number])
            background = backgrounds[int(rng.integers(len(backgrounds)))]
            shot = _draw_shot(rng, kind)
            long_side = int(rng.choice(_SIDES[half]))
            if kind == "small":
                long_side = 2 * max(_SIDES[half])
            picture, payload = _take(rng, shot, background, long_side)
            quality = int(rng.integers(*_QUALITIES[half]))
            yield CodePhoto(kind, camera.encode(picture, quality), payload)


def _draw_shot(rng: Rng, kind: str) -> Shot:
    label = Label(int(rng.integers(1, 11)), str(rng.choice(list("lmqh"))))
    easy = Shot(
        label,
        share=float(np.exp(rng.uniform(np.log(0.1), np.log(0.6)))),
        tilt=abs(rng.normal(0, 15)) * _DEGREE,
        turn=rng.uniform(-180, 180) * _DEGREE if rng.random() < 0.5 else rng.normal(0, 0.1),
        defocus=rng.uniform(0, 0.3),
    )
    changes = KINDS[kind](rng)
    of_label = {name: changes.pop(name) for name in list(changes) if name in _LABEL_FIELDS}
    label = replace(label, **of_label)
    shot = replace(easy, label=label, **changes)
    if kind == "small" or label.round_code or label.setting == "poster":
        return shot
    modules = (4 * label.version + 17) + 2 * label.look.quiet
    return replace(shot, share=max(shot.share, MIN_MODULE * modules / 800))


def _take(rng: Rng, shot: Shot, background: Image.Image, long_side: int) -> tuple[Pixels, str]:
    photo = _enlarge(rng, background, long_side)
    payload, quads, module = "", [], 1.0
    for number in range(shot.copies):
        payload, label, pixels = draw_label(rng, shot.label, background)
        side = shot.share * long_side
        module = side / max(label.shape[:2]) * pixels
        if shot.label.setting == "screenshot":
            photo = draw_screenshot(rng, label, long_side, min(shot.share, 0.4))
            corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
            quads.append(corners * np.array(photo.shape[1::-1], np.float32))
            continue
        if shot.crease:
            label = camera.crumple(rng, label, shot.crease)
        mask = np.full(label.shape[:2], 255, dtype=np.uint8)
        if shot.cup:
            label, mask = camera.bend(label, shot.cup)
        pose = camera.Pose(side, shot.tilt, shot.turn, _place_of(rng, shot, photo, number))
        quads.append(camera.place(photo, label, mask, pose))
    return _expose(rng, shot, photo, quads[0], module), payload


def _enlarge(rng: Rng, background: Image.Image, long_side: int) -> Pixels:
    scale = long_side / max(background.size)
    size = round(background.width * scale), round(background.height * scale)
    pixels = np.asarray(background.convert("RGB").resize(size, Image.Resampling.BICUBIC))
    noise = rng.integers(-5, 6, pixels.shape[:2], dtype=np.int16)
    return np.clip(pixels + noise[..., None], 0, 255).astype(np.uint8)


def _place_of(rng: Rng, shot: Shot, photo: Pixels, number: int) -> tuple[float, float]:
    """The center of a label: within the photo, as far as it fits; copies side by side."""
    if shot.copies > 1:
        return 0.25 + 0.5 * (number % 2), (0.5 + number // 2) / -(-shot.copies // 2)
    reach = shot.share * max(photo.shape) * 0.6
    x, y = (
        rng.uniform(reach, side - reach) / side if side > 2 * reach else 0.5
        for side in photo.shape[1::-1]
    )
    return x, y


def _expose(rng: Rng, shot: Shot, photo: Pixels, quad: camera.Plane, module: float) -> Pixels:
    if shot.shadow < 1:
        photo = camera.add_shadow(rng, photo, quad, shot.shadow)
    if shot.glare:
        photo = camera.add_glare(rng, photo, quad, shot.glare)
    if shot.moire:
        photo = camera.add_moire(rng, photo)
    if shot.defocus * module > _MIN_BLUR and shot.label.setting != "screenshot":
        photo = camera.defocus(photo, shot.defocus * module)
    photo = camera.move(rng, photo, shot.motion * module)
    if shot.light < 1:
        photo = camera.darken(rng, photo, shot.light, shot.amplified)
    return photo
