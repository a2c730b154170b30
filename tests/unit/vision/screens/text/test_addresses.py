"""E-mail addresses, web addresses and handles in every disguise, and words with a dot."""

import pytest

from ml.vision.screens.text.addresses import find_emails, find_handles, find_urls
from ml.vision.screens.text.normalize_text import normalize_text

EMAILS = (
    "mimi.shop @ gmail . com",
    "mimi(at)gmail(dot)com",
    "mimi＠ｑｑ．com",
    "7788990@qq。com",
    "mimi88@163",
    "mimi AT outlook DOT com",
    "mimi艾特qq点com",
    "mimi 88 gmail com",
    "邮箱：mimi_88",
    "mimi@example.c0m",
)
URLS = (
    "mimi-shop。com",
    "mimishop [.] vip",
    "mimishop 点 com",
    "hxxp://mimishop.com",
    "www mimishop com",
    "mimishop88.top",
    "MIMISHOP.SHOP",
    "buy at mimi-outlet.store/sale",
    "mimishop dot com",
    "mimi . com",
    "xn--fiq228c5hs.com",
    "咪咪小店.com",
    "www.咪咪小店.网址",
    "m i m i s h o p . c o m",
    "shop.mimi.co.uk",
    "t.cn/A6abcdef",
    "bit . ly / 3abcdef",
    "linktr.ee/mimi",
    "mimi.carrd.co",
    "linktree: mimi_88",
)
HANDLES = (
    "follow @mimi.shop_1",
    "@ mimi_shop",
    "全网同名：咪咪小店",
    "my ID: mimi_88",
    "关注我 @咪咪小店",
)
NO_ADDRESSES = (
    "cotton.top quality",
    "soft.Store in a cool place",
    "s.shop/abc",
    "lucky.testing",
    "5.cm/in",
    "Mr.Smith",
    "A.P.C.",
    "He said.So she left",
    "Dr.Martens AirWair",
    "St.Ives",
    "v2.0.13",
    "192.168.10.100",
    "IMG_1234.JPG",
    "3 @ $5.99",
    "a@b",
    "@ 25°C",
    "1080p@60Hz",
    "@home",
    "NO.1 IN",
    "SINCE 1998.CO",
    "12.5oz.cm/in",
)


def found_in(text: str) -> list[str]:
    line = normalize_text(text)
    return [*find_emails(line), *find_urls(line), *find_handles(line)]


@pytest.mark.parametrize("text", EMAILS)
def test_email_is_found(text: str) -> None:
    assert list(find_emails(normalize_text(text)))


@pytest.mark.parametrize("text", URLS)
def test_web_address_is_found(text: str) -> None:
    assert list(find_urls(normalize_text(text)))


@pytest.mark.parametrize("text", HANDLES)
def test_handle_is_found(text: str) -> None:
    assert list(find_handles(normalize_text(text)))


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_words_with_a_dot_or_an_at_are_none(text: str) -> None:
    assert found_in(text) == []


def test_address_is_in_lower_case_without_spaces() -> None:
    assert list(find_urls("www. Lucky. COM")) == ["www.lucky.com"]
    assert list(find_emails("Mei @ Example.com")) == ["mei@example.com"]
