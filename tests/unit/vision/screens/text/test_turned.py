"""Banners are read whichever way the photo is turned."""

import io

import pytest
from PIL import Image

from ml.policy.screens import TextScreen
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.screens.text.ocr import TextReader
from ml.vision.screens.text.screen import read_text
from tests.unit.vision.screens.conftest import with_text

BANNERS = {
    "wechat": ("FREE GIFT", "WeChat: lucky_mei77"),
    "qq": ("QQ 1234 5678",),
    "whatsapp": ("WhatsApp +1 201 555 0173",),
    "phone": ("Tel 201-555-0142", "call today"),
    "url": ("BUY DIRECT", "www.lucky-mei.example"),
    "telegram": ("Telegram @lucky_mei77",),
}
ORIENTATION = 0x0112
# What a camera held another way stores, by the orientation that it writes down.
AS_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("banner", BANNERS.values(), ids=BANNERS)
def test_contact_detail_is_read_at_any_quarter(
    reader: TextReader, banner: tuple[str, ...], turn: int
) -> None:
    found = read_text(with_text(*banner).rotate(turn, expand=True), reader, 1.0)
    assert (found.reason or "").startswith("contact:")


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_promotion_counts_as_a_banner_at_any_quarter(reader: TextReader, turn: int) -> None:
    shown = with_text("50% OFF - BUY NOW", size=50).rotate(turn, expand=True)
    assert read_text(shown, reader, 1.0).reason == "promotion"


@pytest.mark.parametrize("orientation", AS_STORED)
def test_photo_of_a_phone_held_any_way_is_read_upright(
    reader: TextReader, orientation: int
) -> None:
    shown, way = with_text("WeChat: lucky_mei77"), AS_STORED[orientation]
    exif, file = Image.Exif(), io.BytesIO()
    exif[ORIENTATION] = orientation
    (shown if way is None else shown.transpose(way)).save(file, "JPEG", exif=exif)
    photo = decode(file.getvalue(), limits=DecodeLimits()).image
    found = read_text(photo, reader, 1.0)
    assert found.reason == "contact:wechat"
    left, top = found.evidence["lines"][0]["box"][0]
    assert (left, top) == (pytest.approx(20, abs=15), pytest.approx(24, abs=15))


def test_corners_of_a_turned_line_begin_at_its_text(reader: TextReader) -> None:
    found = read_text(with_text("WeChat: lucky_mei77").rotate(180), reader, 1.0)
    (left, top), (right, _), *_ = found.evidence["lines"][0]["box"]
    assert left > right
    assert (left, top) == (pytest.approx(620, abs=15), pytest.approx(456, abs=15))


def test_lines_of_an_upside_down_photo_are_in_the_order_of_reading(reader: TextReader) -> None:
    lines = ("first line here", "second line here", "third line here")
    found = read_text(with_text(*lines).rotate(180), reader, 1.0, TextScreen())
    assert [line["text"][:3] for line in found.evidence["lines"]] == ["fir", "sec", "thi"]
