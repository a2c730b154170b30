"""Overlaid advertising, versus text that is printed on products."""

import pytest

from ml.vision.screens.text.lines import TextLine
from ml.vision.screens.text.overlays import OverlayKind, find_overlays

WIDTH = 600
PROMOTION, WATERMARK = OverlayKind.PROMOTION, OverlayKind.WATERMARK


def line(text: str, *, wide: int = 500, rise: int = 0, top: int = 100) -> TextLine:
    """A line whose right end is `rise` pixels above its left end."""
    left, right = 40, 40 + wide
    box = ((left, top), (right, top - rise), (right, top + 30 - rise), (left, top + 30))
    return TextLine(text, 0.9, box)


CALLS = [
    "BEST PRICE - DM ME",
    "pm me for price",
    "Add me",
    "ADDME",
    "SCAN ME",
    "click the link",
    "CLICKTHELINK",
    "link in bio",
    "buy cheaper here",
    "order cheaper at my shop",
    "message me for a coupon",
    "visit my store",
    "同款私信我",
    "加我领优惠",
    "加群领券",
    "点击链接购买",
    "诚招代理",
    "代购",
    "一件代发",
    "一手货源",
    "全网最低",
    "扫码进群",
    "复制口令打开",
    "ＡＤＤ ＭＥ",
]
OFFERS = [
    "50% OFF TODAY",
    "BUY 1 GET 1 FREE",
    "FREE GIFT",
    "best price",
    "WHOLESALE PRICE",
    "ORDER NOW",
    "big sale",
    "批发价",
    "优惠券",
    "限时特价",
    "清仓",
    "厂家直销",
    "全场5折",
    "全场五折",
    "买一送一",
]
MARKS = [
    "SAMPLE STOCK",
    "SAMPLESTOCK",
    "PREVIEW ONLY",
    "PHOTOBANK",
    "stock photo",
    "shutterstock",
    "Getty Images",
    "depositphotos",
    "DO NOT COPY",
    "watermark",
    "样图",
    "盗图必究",
    "禁止转载",
    "图虫创意",
]
GOODS = [
    "",
    "SALE",
    "NET WT 250 g",
    "Buy fresh",
    "100% cotton",
    "Keep in a cool place",
    "3 FOR 2",
    "SAMPLE",
    "NOT FOR SALE",
    "STOCKHOLM",
    "in stock",
    "PREVIEW OF SUMMER",
    "Link",
    "me",
    "NEW",
    "© 2024",
    "Follow your dreams",
    "Made for me",
    "Address: 1 Main St",
    "Scandinavian design",
    "加我们会员",
    "加盟店",
    "包装",
    "九折伞柄布料",
    "扫一扫查真伪",
    "微辣",
    "生产批号",
    "样品",
    "Add message",
    "Discover",
]


@pytest.mark.parametrize("text", CALLS)
def test_call_to_action_is_a_promotion_anywhere(text: str) -> None:
    found = find_overlays([line(text, wide=120, rise=40)], WIDTH)
    assert [overlay.kind for overlay in found] == [PROMOTION]


@pytest.mark.parametrize("text", OFFERS)
def test_offer_is_a_promotion_on_a_banner_only(text: str) -> None:
    assert [o.kind for o in find_overlays([line(text)], WIDTH)] == [PROMOTION]
    assert find_overlays([line(text, wide=120)], WIDTH) == []
    assert find_overlays([line(text, rise=120)], WIDTH) == []


@pytest.mark.parametrize("text", MARKS)
def test_known_watermark_text_is_a_watermark(text: str) -> None:
    found = find_overlays([line(text, wide=150, rise=60)], WIDTH)
    assert [overlay.kind for overlay in found] == [WATERMARK]


@pytest.mark.parametrize("text", GOODS)
def test_product_text_is_no_overlay(text: str) -> None:
    assert find_overlays([line(text, wide=150)], WIDTH) == []


def test_slanted_repeated_text_is_a_watermark() -> None:
    torn = ("LUCKYMEI LUCK", "KYMEI LUCKYMEI", "UCKYMEI")
    tiled = [line(text, wide=200, rise=80, top=100 * n) for n, text in enumerate(torn)]
    assert [(o.kind, o.text) for o in find_overlays(tiled, WIDTH)] == [(WATERMARK, "kymei")]
    level = [line(text, wide=200, top=100 * n) for n, text in enumerate(torn)]
    assert find_overlays(level, WIDTH) == []
    assert find_overlays(tiled[:1], WIDTH) == []


def test_overlays_are_distinct_with_promotions_first() -> None:
    lines = [line("PREVIEW ONLY"), line("scan me"), line("PREVIEW ONLY")]
    assert [(o.kind, o.text) for o in find_overlays(lines, WIDTH)] == [
        (PROMOTION, "scan me"),
        (WATERMARK, "PREVIEW ONLY"),
    ]
