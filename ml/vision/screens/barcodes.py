"""Screen `codes`: QR and other codes that lead buyers to other sites, read by zxing-cpp."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum

from PIL import Image

from ml.core.types import Json, ScreenResult, negative, positive
from ml.vision.images.grayscale import Gray, gray_pixels
from ml.vision.screens.code_renditions import search_renditions
from ml.vision.screens.code_search import Code, merge_codes, search_picture

NAME = "codes"
MAX_PAYLOAD = 500  # characters kept as evidence


class SecondPass(StrEnum):
    """Where a photo without a foreign code is searched again, sharpened, equalized and blurred."""

    ON_DETECTION = "on_detection"  # regions that look like a code and were not read
    ALWAYS = "always"  # the whole picture, too
    NEVER = "never"


def screen_codes(
    picture: Image.Image | Gray,
    allowed: Sequence[re.Pattern[str]] = (),
    second_pass: SecondPass = SecondPass.ON_DETECTION,
) -> ScreenResult:
    r"""Fire `code` on a 2-D code, unless each payload fully matches an allowed expression.

    These match the shop's own URLs, such as `https://shop\.example/.*`. A QR code that is detected
    but unreadable fires `code_unreadable`: it may not be an allowed one. Barcodes of products (1-D)
    are evidence only. The size of the picture limits how small a readable code is.
    """
    codes = read_codes(picture, second_pass, allowed)
    evidence: dict[str, Json] = {"codes": [_evidence(code) for code in codes]}
    foreign = [code for code in codes if _is_foreign(code, allowed)]
    if foreign:
        return positive(NAME, "code", float(len(foreign)), evidence)
    if any(not code.readable for code in codes):
        return positive(NAME, "code_unreadable", 0.0, evidence)
    return negative(NAME, 0.0, evidence if codes else {})


def read_codes(
    picture: Image.Image | Gray,
    second_pass: SecondPass = SecondPass.ON_DETECTION,
    allowed: Sequence[re.Pattern[str]] = (),
) -> list[Code]:
    """The readable codes of a picture, and unreadable QR codes that overlap no readable code.

    A 2-D code that is not `allowed` settles the case: nothing is searched again.

    Raises:
        ValueError: zxing-cpp rejects the pixels.
    """
    gray = gray_pixels(picture)
    codes = search_picture(gray)
    if second_pass is SecondPass.NEVER or any(_is_foreign(code, allowed) for code in codes):
        return codes
    everywhere = second_pass is SecondPass.ALWAYS
    return merge_codes([*codes, *search_renditions(gray, codes, everywhere=everywhere)])


def _is_foreign(code: Code, allowed: Sequence[re.Pattern[str]]) -> bool:
    matches = any(pattern.fullmatch(code.payload) for pattern in allowed)
    return code.two_dimensional and code.readable and not matches


def _evidence(code: Code) -> dict[str, Json]:
    # PostgreSQL's JSON rejects NUL, which a payload may contain.
    payload = code.payload[:MAX_PAYLOAD].replace("\x00", "\ufffd")
    return asdict(code) | {"payload": payload, "box": [[x, y] for x, y in code.box]}
