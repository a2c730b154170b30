"""Accounts of each service in spellings that are in no table, and names without an account."""

import pytest

from benchmarks.contact_texts import TABLES, load_tables
from ml.vision.screens.text.accounts import find_accounts
from ml.vision.screens.text.normalize_text import normalize_text
from ml.vision.screens.text.services import SERVICES, ContactKind

VARIATIONS = {
    ContactKind.WECHAT: (
        "薇-信：mm_0912",
        "w❤x mm0912a",
        "ＷｅＣｈａｔ：ｍｍ１１３０",
        "V+138 2222 3333",
        "WX同13822223333",
        "微信扫码添加好友 mm1130",
        "看中加V：mm1130z",
        "徽 信 号 mm_1130",
        "加我薇",
        "w.e.c.h.a.t mm_0912",
        "WeChat ID mmtrading",
        "微信号 mmtrading",
    ),
    ContactKind.QQ: (
        "Q Q 7788990",
        "企 鹅 号 7788990",
        "QQ号是7788990",
        "qq：77-88-990",
        "扣 扣 ７７８８９９０",
        "加Q 77 88 990",
    ),
    ContactKind.WHATSAPP: (
        "Wh@tsApp +65 8123 4567",
        "W h a t s a p p : +65 8123 4567",
        "whatsapp 👉 6581234567",
        "WhatsApp-Nr. 0151 23456789",
        "+65 8123 4567 (whatsapp)",
        "Ватсап: +7 921 555 01 23",
    ),
    ContactKind.TELEGRAM: (
        "tele: @mm_shop",
        "Telegram → mm_shop1",
        "T3legram: mm_shop1",
        "tg:mm_shop1",
        "@mm_shop1 on Telegram",
        "t . me / mm_shop1",
    ),
    ContactKind.LINE: (
        "Line id：mmshop1",
        "เพิ่มเพื่อน LINE: @mmshop",
        "add LINE mmshop_1",
        "官方賴 @mmshop",
        "lin.ee/aBcD12",
        "ไลน์ mmshop1",
    ),
    ContactKind.KAKAOTALK: (
        "카톡ID mmshop1",
        "KakaoTalk : mmshop1",
        "카카오톡 mm_shop",
        "open.kakao.com/o/s1234",
        "kakao id mmshop1",
    ),
    ContactKind.ZALO: (
        "Zalo: 0903 123 456",
        "Z.a.l.o 0903123456",
        "0903 123 456 (Zalo)",
        "zalo.me/0903123456",
        "Zalo mm_shop",
    ),
    ContactKind.VIBER: (
        "Viber +359 88 123 4567",
        "Вайбер: 8 921 555 01 23",
        "V-I-B-E-R +380501234567",
        "+359 88 123 4567 Viber",
        "viber : 0888123456",
    ),
    ContactKind.SIGNAL: (
        "Signal: +49 151 23456789",
        "signal @mm_shop.01",
        "+49 151 23456789 (Signal)",
        "SIGNAL +4915123456789",
        "signal id mmshop1",
    ),
    ContactKind.SKYPE: (
        "Skype live:mm_shop1",
        "skype：mmshop1",
        "S-k-y-p-e mm_shop1",
        "Скайп: mmshop1",
        "mm_shop1 (Skype)",
    ),
    ContactKind.DISCORD: (
        "discord → mmshop#0001",
        "Disc0rd: mm_shop",
        "DISCORD mmshop#42",
        "discord.gg/aBcD12",
        "dc: mm_shop1",
    ),
    ContactKind.INSTAGRAM: (
        "insta @mm.shop",
        "IG👉mm.shop_1",
        "follow my ig mm_shop1",
        "ins：mm.shop1",
        "@mm.shop on Instagram",
        "1nstagram: mm.shop",
        "lnstagram: mm.shop",
    ),
    ContactKind.FACEBOOK: (
        "FB: mm.shop.1",
        "facebook.com/mm.shop.1",
        "Facebook page mm_shop1",
        "Messenger: mm_shop1",
        "m.me/mmshop1",
    ),
    ContactKind.SNAPCHAT: (
        "snap: mm_shop1",
        "Add my snapchat mmshop1",
        "👻 mm_shop1",
        "Snap-chat: mmshop1",
        "sc: mm_shop1",
    ),
    ContactKind.TIKTOK: (
        "TikTok @mm.shop",
        "抖❤音号 mmshop1",
        "抖音号：米米的店",
        "douyin id mmshop1",
        "dy号 mmshop1",
    ),
    ContactKind.XIAOHONGSHU: (
        "小红书ID：551188990",
        "小红书搜 米米的店",
        "小.红.书 mm_shop1",
        "xhs：mmshop1",
        "小紅書：@米米的店",
    ),
    ContactKind.KUAISHOU: (
        "快手号：mmshop1",
        "快.手 mm_shop1",
        "快手ID 551188990",
        "ks：mmshop1",
        "快手搜索 米米的店",
    ),
    ContactKind.WEIBO: (
        "微博@米米的店",
        "微 博 ：@米米的店",
        "weibo: mm_shop1",
        "微博搜 米米的店",
        "wb：mmshop1",
    ),
    ContactKind.BILIBILI: (
        "B站搜索 米米测评",
        "b站：@米米测评",
        "bilibili UID 551188990",
        "哔哩哔哩号 mmshop1",
        "B 站 id：mmshop1",
    ),
}
NO_ACCOUNTS = (
    "VX Gaming",
    "WX Titanium 5000",
    "LINE FRIENDS",
    "Kakao Friends",
    "Signal White Now",
    "Zalora",
    "QQ星 儿童成长牛奶",
    "快手工具",
    "Facebook Blue",
    "抖音爆款",
    "小红书推荐",
    "微信支付 支付宝",
    "line dance 2023",
    "Battery 80% 12:30 WhatsApp",
    "WeChat 8.0.50",
    "5 new messages on Instagram",
    "Telegram Desktop 4.16.8",
    "MODEL: VX-13812",
    "SN: QQ12345678",
    "加V领大衣",
    "MicroSD XC I 256GB",
    "微信 3条未读消息",
)


def kinds_in(text: str) -> set[ContactKind]:
    return {kind for kind, _ in find_accounts(normalize_text(text))}


@pytest.mark.parametrize("kind", VARIATIONS)
def test_variations_of_each_service_are_found(kind: ContactKind) -> None:
    missed = [text for text in VARIATIONS[kind] if kind not in kinds_in(text)]
    assert missed == []


def test_every_service_has_five_variations_that_are_in_no_table() -> None:
    assert VARIATIONS.keys() == {service.kind for service in SERVICES} | {ContactKind.QQ}
    assert min(map(len, VARIATIONS.values())) >= 5
    listed = {text.text for text in load_tables(TABLES)[0]}
    assert listed.isdisjoint(text for texts in VARIATIONS.values() for text in texts)


@pytest.mark.parametrize("text", NO_ACCOUNTS)
def test_a_name_without_an_account_is_none(text: str) -> None:
    assert kinds_in(text) == set()


def test_the_account_is_in_the_match() -> None:
    assert list(find_accounts("加微信 demo888 看图")) == [(ContactKind.WECHAT, "加微信 demo888")]
