"""Calls to search for a seller in another shop, and other words about shops."""

import pytest

from ml.vision.screens.text.normalize_text import normalize_text
from ml.vision.screens.text.search_calls import find_search_call

CALLS = (
    "桃宝搜索：米米的店",
    "闲鱼搜 米米的店",
    "去拼多多找 米米的店",
    "打开京东搜“米米旗舰”",
    "Search MIMI SHOP on Etsy",
    "my Etsy shop",
    "淘.宝搜 米米的店",
    "Shopee: mimi.store",
    "メルカリで検索 mimi",
    "复制打开淘宝 ₤Ab12Cd34Ef₤",
)
OTHER = (
    "淘宝热搜榜",
    "淘宝搜索框",
    "京东自营",
    "淘气包",
    "京东方 BOE",
    "search engine",
    "天猫：官方旗舰店",
    "京东：¥199",
)


@pytest.mark.parametrize("text", CALLS)
def test_search_call_is_found(text: str) -> None:
    assert find_search_call(normalize_text(text))


@pytest.mark.parametrize("text", OTHER)
def test_other_words_about_shops_are_none(text: str) -> None:
    assert find_search_call(normalize_text(text)) is None
