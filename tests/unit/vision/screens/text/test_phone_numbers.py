"""Phone numbers by keyword, country and form, and numbers that resemble them."""

import pytest

from ml.vision.screens.text.normalize_text import normalize_text
from ml.vision.screens.text.phone_numbers import (
    ends_with_phone_keyword,
    find_phone_numbers,
    find_split_mobile,
)

CHINESE = (
    "13812 345678",
    "(138)1234-5678",
    "138/1234/5678",
    "138，1234，5678",
    "138——1234——5678",
    "13 812 345 678",
    "[138]1234[5678]",
    "138❤1234❤5678",
    "一叁八12345678",
    "13B12345678",
    "1З812345678",
    "138-12345678",
    "〔138〕1234〔5678〕",
)
NATIONAL = {
    "US": ("415-555-0132", "(415) 555 0132", "646.555.0177"),
    "GB": ("07911 123456", "020 7946 0958"),
    "DE": ("0151 23456789", "(089) 99998123"),
    "JP": ("090-1234-5678", "03-1234-5670"),
    "KR": ("010-9876-5432",),
    "VN": ("0912 345 678",),
    "RU": ("8 (912) 345-67-80",),
    "BR": ("(11) 98765-4322",),
}
INTERNATIONAL = (
    "+44 7700 900123",
    "+49 151 23456789",
    "+7-921-555-01-23",
    "+52 55 1234 5678",
    "0049 151 2345 6789",
    "+ 81 90 1234 5678",
    "+380 50 123 4567",
)
NONE = (
    "159 1298 1588",
    "180/2000/2200",
    "¥159 ¥1299 ¥1399",
    "IMEI 356938035643809",
    "(01)04012345123456",
    "卡号 6222 0213 8123 4567 890",
    "Bestellnummer 0171 3920012",
    "Kundennummer 415 555 0132",
    "P/N 415-555-0132",
    "192.168.10.100",
    "DT: 03/03/2018 10:58",
    "400-123-4567",
    "1-800-555-0199",
    "Tel 400-820-8820",
    "Cell 18650 2600mAh",
    "Mobile 30 120 300 mm",
    "零一二三四五六七八九",
    "GB/T 17401-2014",
    "telescope 1234567",
    "4155550132",
    "0.13800138000",
    "发票代码 033002100138 发票号码 12345678",
)


def found_in(text: str, *regions: str) -> list[str]:
    line = normalize_text(text)
    return list(find_phone_numbers(line, regions) if regions else find_phone_numbers(line))


@pytest.mark.parametrize("text", CHINESE)
def test_chinese_mobile_number_is_found_in_every_form(text: str) -> None:
    assert "13812345678" in found_in(text, "CN")


@pytest.mark.parametrize("text", CHINESE[:3])
def test_chinese_mobile_number_is_none_where_the_policy_leaves_china_out(text: str) -> None:
    assert "13812345678" not in found_in(text, "US")


@pytest.mark.parametrize(
    ("region", "text"), [(region, text) for region, texts in NATIONAL.items() for text in texts]
)
def test_national_format_counts_in_its_country(region: str, text: str) -> None:
    assert found_in(text, region)
    assert found_in(text)
    assert found_in(text, "SE") == []


@pytest.mark.parametrize("text", INTERNATIONAL)
def test_international_number_counts_whatever_the_policy_says(text: str) -> None:
    assert found_in(text, "SE")


@pytest.mark.parametrize("text", NONE)
def test_other_numbers_are_none(text: str) -> None:
    assert found_in(text) == []


@pytest.mark.parametrize("text", ["5123 4568 致電", "9123 4567 call", "sms me 6465550177"])
def test_keyword_may_stand_before_or_after(text: str) -> None:
    assert found_in(text)


def test_split_mobile_fills_its_lines() -> None:
    assert list(find_split_mobile(["加V138", "1234", "5678"])) == ["13812345678"]
    assert list(find_split_mobile(["138", "1234 g"])) == []
    assert list(find_split_mobile(["199", "1299", "1399"])) == []


def test_line_that_ends_with_a_keyword_is_recognized() -> None:
    assert ends_with_phone_keyword("联系电话：")
    assert not ends_with_phone_keyword("Cotton")
