"""Edits of a photo that a seller uploads again: crops, frames, screenshots, overlays and others."""

import io
from collections.abc import Callable
from functools import partial
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

Picture = Image.Image
Edit = Callable[[Picture, Random], Picture]
_COLORS = ((0, 0, 0), (255, 255, 255), (230, 30, 40), (245, 235, 220), (40, 60, 120))
_AREA = 0.3  # of a crop: its aspect changes by at most half of this


def crop(picture: Picture, rng: Random, *, share: float) -> Picture:
    """Crop `share` of the area, at a random place and to a slightly different aspect."""
    kept = 1 - share
    height = min(1.0, kept**0.5 * (1 + rng.uniform(-0.5, 0.5) * min(_AREA, share)))
    width = min(1.0, kept / height)
    size = round(picture.width * width), round(picture.height * kept / width)
    left = rng.randint(0, picture.width - size[0])
    top = rng.randint(0, picture.height - size[1])
    return picture.crop((left, top, left + size[0], top + size[1]))


def mirror(picture: Picture, _: Random) -> Picture:
    """Mirror left and right."""
    return ImageOps.mirror(picture)


def turn(picture: Picture, rng: Random) -> Picture:
    """Turn by 90 or 270 degrees."""
    return picture.transpose(rng.choice((Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)))


def rotate(picture: Picture, rng: Random, *, degrees: float) -> Picture:
    """Rotate either way; the corners get one color."""
    angle = degrees * rng.choice((-1, 1))
    return picture.rotate(angle, Image.Resampling.BICUBIC, fillcolor=rng.choice(_COLORS))


def frame(picture: Picture, rng: Random, *, share: float) -> Picture:
    """Add a frame of one color, `share` of the short side wide."""
    return ImageOps.expand(picture, round(share * min(picture.size)), rng.choice(_COLORS))


def pattern_frame(picture: Picture, rng: Random, *, share: float) -> Picture:
    """Add a frame with a pattern."""
    border = round(share * min(picture.size))
    pattern = np.frombuffer(rng.randbytes(12 * 12 * 3), np.uint8).reshape(12, 12, 3)
    size = picture.width + 2 * border, picture.height + 2 * border
    framed = Image.fromarray(pattern).resize(size, Image.Resampling.BICUBIC)
    framed.paste(picture, (border, border))
    return framed


def screenshot(picture: Picture, rng: Random) -> Picture:
    """Add the bars of an app above and below, with texts and icons."""
    width, height = picture.size
    back, ink = rng.choice((((0, 0, 0), (255, 255, 255)), ((255, 255, 255), (20, 20, 20))))
    top, bottom = (round(rng.uniform(*share) * height) for share in ((0.08, 0.25), (0.12, 0.35)))
    screen = Image.new("RGB", (width, height + top + bottom), back)
    screen.paste(picture, (0, top))
    pen, font = ImageDraw.Draw(screen), ImageFont.load_default(size=max(10, width // 25))
    foot = height + top
    pen.text((width * 0.05, top * 0.1), f"12:{rng.randint(10, 59)}", fill=ink, font=font)
    pen.text((width * 0.05, foot + bottom * 0.7), "Liked by 1,204", fill=ink, font=font)
    for place in range(4):
        left, upper = width * (0.1 + 0.22 * place), foot + bottom * 0.3
        pen.ellipse((left, upper, left + width * 0.07, upper + width * 0.07), outline=ink, width=3)
    return screen


def write_text(picture: Picture, rng: Random) -> Picture:
    """Write a line across the photo, some on a bar."""
    drawn, (width, height) = picture.copy(), picture.size
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(size=width // rng.randint(8, 14))
    upper = rng.uniform(0.1, 0.8) * height
    if rng.random() < 0.5:  # noqa: PLR2004 - every other one
        pen.rectangle((0, upper, width, upper + height * 0.12), fill=rng.choice(_COLORS))
    text = "BEST SHOP 2026 SALE"
    pen.text((width * 0.05, upper), text, fill=rng.choice(_COLORS), font=font)
    return drawn


def put_sticker(picture: Picture, rng: Random) -> Picture:
    """Cover a part with a round sticker."""
    drawn, (width, height) = picture.copy(), picture.size
    size = rng.uniform(0.25, 0.35) * min(width, height)
    left, top = rng.uniform(0, width - size), rng.uniform(0, height - size)
    pen = ImageDraw.Draw(drawn)
    pen.ellipse((left, top, left + size, top + size), fill=(255, 210, 60))
    mouth = (left + size * 0.25, top + size * 0.3, left + size * 0.75, top + size * 0.8)
    pen.arc(mouth, 20, 160, fill=(0, 0, 0), width=4)
    return drawn


def recompress(picture: Picture, _: Random, *, quality: int = 25) -> Picture:
    """Save as JPEG of a low quality."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def filter_colors(picture: Picture, rng: Random) -> Picture:
    """Make it gray, or change saturation, tint and contrast."""
    if rng.random() < 0.3:  # noqa: PLR2004 - a share of the photos
        return ImageOps.grayscale(picture).convert("RGB")
    vivid = np.asarray(ImageEnhance.Color(picture).enhance(rng.uniform(0.3, 1.8)), np.float32)
    tinted = vivid * np.array([rng.uniform(0.8, 1.2) for _ in range(3)], np.float32)
    image = Image.fromarray(tinted.clip(0, 255).astype(np.uint8))
    return ImageEnhance.Contrast(image).enhance(rng.uniform(0.8, 1.4))


def brighten(picture: Picture, rng: Random) -> Picture:
    """Make it much darker or brighter."""
    return ImageEnhance.Brightness(picture).enhance(rng.choice((0.55, 0.7, 1.4, 1.7)))


def halve(picture: Picture, _: Random) -> Picture:
    """Reduce to half the size."""
    return picture.reduce(2)


def _in_turn(*edits: Edit) -> Edit:
    def apply(picture: Picture, rng: Random) -> Picture:
        for edit in edits:
            picture = edit(picture, rng)
        return picture

    return apply


_CROPS = {f"crop {round(100 * share)} %": partial(crop, share=share)
          for share in (0.05, 0.1, 0.2, 0.3, 0.4)}  # fmt: skip
_FRAMES = {f"frame {round(100 * share)} %": partial(frame, share=share)
           for share in (0.05, 0.1, 0.2)}  # fmt: skip
_ROTATIONS = {f"rotated {degrees} degrees": partial(rotate, degrees=degrees)
              for degrees in (2, 5, 10)}  # fmt: skip
EDITS: dict[str, Edit] = {
    "half size": halve,
    "recompressed": recompress,
    "colors": filter_colors,
    "brightness": brighten,
    **_CROPS,
    "mirrored": mirror,
    "turned": turn,
    **_ROTATIONS,
    **_FRAMES,
    "patterned frame 10 %": partial(pattern_frame, share=0.1),
    "screenshot": screenshot,
    "text": write_text,
    "sticker": put_sticker,
    "mirrored, crop 20 %": _in_turn(mirror, _CROPS["crop 20 %"]),
    "mirrored, frame 10 %": _in_turn(mirror, _FRAMES["frame 10 %"]),
    "mirrored, screenshot": _in_turn(mirror, screenshot),
    "crop 20 %, frame 10 %": _in_turn(_CROPS["crop 20 %"], _FRAMES["frame 10 %"]),
    "crop 10 %, text, recompressed": _in_turn(_CROPS["crop 10 %"], write_text, recompress),
    "rotated 5 degrees, crop 20 %": _in_turn(_ROTATIONS["rotated 5 degrees"], _CROPS["crop 20 %"]),
}
