"""Screen `codes`: codes that fire, allowed codes, and evidence."""

import re

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from ml.vision.screens.barcodes import MAX_PAYLOAD, SecondPass, read_codes, screen_codes
from tests.unit.vision.images.pictures import photo
from tests.unit.vision.screens.conftest import with_code

FOREIGN = "https://lucky-mei.example/12345"
OWN = re.compile(r"https://shop\.example/.*")


def barcode() -> Image.Image:
    """A photo with a product barcode (EAN-13)."""
    made = zxingcpp.create_barcode("4006381333931", zxingcpp.BarcodeFormat.EAN13)
    bars = Image.fromarray(np.array(zxingcpp.write_barcode_to_image(made, scale=3)))
    canvas = photo(640, 480, seed=1)
    canvas.paste(bars.convert("RGB"), (50, 50))
    return canvas


def test_qr_code_fires_with_payload_and_box() -> None:
    outcome = screen_codes(with_code(FOREIGN))
    assert (outcome.fired, outcome.reason) == (True, "code")
    (code,) = outcome.evidence["codes"]
    assert code["payload"] == FOREIGN
    assert code["box"][0] == pytest.approx([76, 56], abs=3)


def test_allowed_code_is_evidence_only() -> None:
    outcome = screen_codes(with_code("https://shop.example/order/7"), [OWN])
    assert outcome.fired is False
    assert outcome.evidence["codes"][0]["payload"] == "https://shop.example/order/7"


@pytest.mark.parametrize(
    "payload", ["https://shop.example.lucky.example/", "see https://shop.example/", "HTTPS"]
)
def test_allowed_expression_must_match_the_full_payload(payload: str) -> None:
    assert screen_codes(with_code(payload), [OWN]).fired is True


def test_external_code_fires_next_to_an_allowed_one() -> None:
    both = with_code("https://shop.example/order/7")
    both.paste(with_code(FOREIGN).crop((60, 40, 240, 220)), (400, 260))
    outcome = screen_codes(both, [OWN])
    assert outcome.fired is True
    assert len(outcome.evidence["codes"]) == 2


def test_product_barcode_is_evidence_only() -> None:
    outcome = screen_codes(barcode())
    assert outcome.fired is False
    assert outcome.evidence["codes"][0]["payload"] == "4006381333931"
    assert outcome.evidence["codes"][0]["two_dimensional"] is False


@pytest.mark.parametrize("side", [640, 1280])
@pytest.mark.parametrize("name", ["QRCode", "DataMatrix", "Aztec", "PDF417"])
def test_codes_of_small_and_large_photos_fire_with_their_box(name: str, side: int) -> None:
    code_format = zxingcpp.barcode_formats_list(zxingcpp.barcode_formats_from_str(name))[0]
    made = zxingcpp.create_barcode(FOREIGN, code_format)
    drawn = Image.fromarray(np.array(zxingcpp.write_barcode_to_image(made, scale=4)))
    canvas = photo(side, side * 3 // 4, seed=1)
    canvas.paste(drawn.convert("RGB"), (90, 70))
    (code,) = read_codes(canvas)
    assert code.payload == FOREIGN
    assert all(90 <= x <= 90 + drawn.width for x, _ in code.box)
    assert all(70 <= y <= 70 + drawn.height for _, y in code.box)


def test_damaged_qr_code_fires_as_unreadable() -> None:
    damaged = with_code(FOREIGN, module=6)
    damaged.paste((255, 255, 255), (130, 110, 190, 190))
    outcome = screen_codes(damaged, [OWN])
    assert (outcome.fired, outcome.reason) == (True, "code_unreadable")


def test_photo_without_codes_is_clear() -> None:
    outcome = screen_codes(photo(640, 480), second_pass=SecondPass.ALWAYS)
    assert (outcome.fired, outcome.reason, outcome.evidence) == (False, None, {})


def test_second_pass_reads_smaller_codes() -> None:
    large = with_code(FOREIGN, module=8, turn=30)
    small = large.resize((108, 81), Image.Resampling.LANCZOS)
    once = read_codes(small, SecondPass.NEVER)
    twice = read_codes(small, SecondPass.ALWAYS)
    assert not any(code.readable for code in once)
    assert [code.payload for code in twice if code.readable] == [FOREIGN]


def test_second_pass_box_is_in_pixels_of_the_photo() -> None:
    large = with_code(FOREIGN, module=8, turn=30)
    small = large.resize((108, 81), Image.Resampling.LANCZOS)
    (code,) = read_codes(small, SecondPass.ALWAYS)
    assert all(0 <= x < 108 and 0 <= y < 81 for x, y in code.box)


def test_payload_evidence_is_truncated_without_nul() -> None:
    outcome = screen_codes(with_code("a\x00" + "b" * 600, module=3, at=(0, 0)))
    payload = outcome.evidence["codes"][0]["payload"]
    assert len(payload) == MAX_PAYLOAD
    assert "\x00" not in payload
