"""Normalization of a line: what looks the same becomes the same, for any text at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.vision.screens.text.contacts import find_contacts
from ml.vision.screens.text.lines import TextLine
from ml.vision.screens.text.normalize_text import (
    MAX_LINE_LENGTH,
    digits_for_letters,
    normalize_text,
)
from ml.vision.screens.text.overlays import find_overlays

SAME = {
    "WeChat": ("WеСhаt", "𝗪𝗲𝗖𝗵𝗮𝘁", "ＷｅＣｈａｔ", "ⓌⓔⒸⓗⓐⓣ", "Wé𝐂hàt", "W\u200be\u2060Chat"),
    "wechat": ("ᴡᴇᴄʜᴀᴛ", "w e c h a t"),
    "VX": ("🆅🆇", "🅥🅧", "ＶＸ"),
    "13812345678": (
        *("１３８１２３４５６７８", "①③⑧①②③④⑤⑥⑦⑧", "❶❸❽12345678", "¹³⁸12345678", "１３８12345678"),
        *(
            "一三八一二三四五六七八",
            "壹叁捌12345678",
            "幺三八12345678",
            "١٣٨12345678",
            "1️⃣3️⃣8️⃣12345678",
        ),
    ),
    "lucky.com": (
        "lucky [dot] com",
        "lucky点com",
        "lucky。com",
        "lucky . com",
        "l u c k y . c o m",
    ),
    "mei@qq.com": ("mei(at)qq点com", "mei 艾特 qq.com", "mei[at]qq[dot]com", "mei at qq dot com"),
    "5星好评": ("五 星 好 评", "五星好评", "５星好评"),
}
HOSTILE = (
    "1",
    "1 3 ",
    "1l0O",
    "a.",
    "a-",
    "a@",
    "vx",
    "微",
    "微信 ",
    "(",
    " ",
    "w.e.c.h.a.t.",
    "+1 ",
    "tel 1",
    "ﷺ",
    "a\u0301",
    "5 star ",
    "好评",
    "abc1_",
    "http://",
    "\ud800",
    "138 1234 ",
    "👻",
    "wechat id ",
    "bit . ly ",
    "www ",
    "淘宝搜",
    "(555) ",
    "\x00",
    "①",
)


@pytest.mark.parametrize(
    ("plain", "text"), [(plain, text) for plain, texts in SAME.items() for text in texts]
)
def test_what_looks_the_same_becomes_the_same(plain: str, text: str) -> None:
    assert normalize_text(text) == plain


@pytest.mark.parametrize(
    "text", ["S M L", "XL 10oz", "at home", "polka dot dress", "5.5 cm", "微波炉"]
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert normalize_text(text) == text


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("l38 OOl3 8OOO", "138 0013 8000"),
        ("13B12345678", "13812345678"),
        ("10oz 5l XL", "10oz 5l XL"),
        ("1BEEF2E45G78", "1BEEF2E45G78"),
        ("138洞洞13", "1380013"),
    ],
)
def test_letters_between_digits_become_digits(text: str, digits: str) -> None:
    assert digits_for_letters(text) == digits


@given(st.text(max_size=300))
def test_no_text_raises_and_normalizing_twice_changes_only_more_disguise(text: str) -> None:
    line = normalize_text(text)
    assert len(line) <= MAX_LINE_LENGTH
    assert line == normalize_text(text)
    find_contacts([text, text[::-1]])


@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_line_of_ten_thousand_characters_is_searched(part: str) -> None:
    """The test's time limit holds it: each line is cut, and no pattern is slow on it."""
    text = (part * 10_000)[:10_000]
    line = TextLine(text, 0.9, ((0, 0), (9, 0), (9, 9), (0, 9)))
    assert len(normalize_text(text)) <= MAX_LINE_LENGTH
    find_contacts([text] * 4)
    find_overlays([line] * 4, 100)
