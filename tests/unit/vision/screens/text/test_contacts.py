"""Contact details, plain and obfuscated, and text that resembles them."""

import pytest

from ml.vision.screens.text import contacts
from ml.vision.screens.text.contacts import Contact, find_contacts
from ml.vision.screens.text.normalize_text import digits_for_letters, normalize_text
from ml.vision.screens.text.services import ContactKind

PHONE, WECHAT, QQ = ContactKind.PHONE, ContactKind.WECHAT, ContactKind.QQ
WHATSAPP, TELEGRAM = ContactKind.WHATSAPP, ContactKind.TELEGRAM
EMAIL, URL, HANDLE = ContactKind.EMAIL, ContactKind.URL, ContactKind.HANDLE

POSITIVES = [
    ("13800138000", PHONE),
    ("138 0013 8000", PHONE),
    ("138-0013-8000", PHONE),
    ("138.0013.8000", PHONE),
    ("1380 013 8000", PHONE),
    ("1380 0138 000", PHONE),
    ("1 3 8 0 0 1 3 8 0 0 0", PHONE),
    ("1-3-8-0-0-1-3-8-0-0-0", PHONE),
    ("+86 138 0013 8000", PHONE),
    ("+8613800138000", PHONE),
    ("0086-13800138000", PHONE),
    ("86 13800138000", PHONE),
    ("１３８００１３８０００", PHONE),
    ("①③⑧⓪⓪①③⑧⓪⓪⓪", PHONE),
    ("❶❸❽001❸❽000", PHONE),
    ("1️⃣3️⃣8️⃣0️⃣0️⃣1️⃣3️⃣8️⃣0️⃣0️⃣0️⃣", PHONE),
    ("一三八零零一三八零零零", PHONE),
    ("壹叁捌零零壹叁捌零零零", PHONE),
    ("幺三八〇〇幺三八〇〇〇", PHONE),
    ("138零零壹三8000", PHONE),
    ("138oo138ooo", PHONE),
    ("l38 OOl3 8OOO", PHONE),
    ("I3800138000", PHONE),
    ("138\u200b0013\u200b8000", PHONE),
    ("138*0013*8000", PHONE),
    ("138_0013_8000", PHONE),
    ("138·0013·8000", PHONE),
    ("电话：13800138000 王先生", PHONE),
    ("電話 555-0111", PHONE),
    ("手机 139 1234 5678 包邮", PHONE),
    ("厂家直销13912345678", PHONE),
    ("联系电话:0755-12345678", PHONE),
    ("010-62345678", PHONE),
    ("TEL 100 1234 5678", PHONE),
    ("Tel: 212-555-0123", PHONE),
    ("call 555 0123", PHONE),
    ("+1 212 555 0155", PHONE),
    ("+44 20 7946 0958", PHONE),
    ("(212) 555-0123", PHONE),
    ("tel13912345678", PHONE),
    ("微信：lucky_shop88", WECHAT),
    ("微信lucky88", WECHAT),
    ("微信号 abc12345", WECHAT),
    ("微信13800138000", WECHAT),
    ("微信： abcdef", WECHAT),
    ("加微信 demo888", WECHAT),
    ("加微信领红包", WECHAT),
    ("扫我微信", WECHAT),
    ("加V demo_888", WECHAT),
    ("加v:13800138000", WECHAT),
    ("加微 abc123", WECHAT),
    ("加薇：abc123", WECHAT),
    ("薇：abc_123", WECHAT),
    ("薇信 abc123x", WECHAT),
    ("威信:shopmei", WECHAT),
    ("V信 mei2024", WECHAT),
    ("V：mei_2024", WECHAT),
    ("+V mei2024", WECHAT),
    ("VX: luckyshop12", WECHAT),
    ("vx 138 0013 8000", WECHAT),
    ("ＶＸ：abc888", WECHAT),
    ("wx:abc888", WECHAT),
    ("WeChat lucky_mei77", WECHAT),
    ("WeChat: luckymei", WECHAT),
    ("WeChat ID: luckymei", WECHAT),
    ("weixin mei_888", WECHAT),
    ("wxid_a1b2c3d4e5", WECHAT),
    ("QQ 12345678", QQ),
    ("QQ:12345678", QQ),
    ("QQ：１２３４５６７８", QQ),
    ("qq群 123456789", QQ),
    ("扣扣 12345678", QQ),
    ("企鹅：一二三四五六七八", QQ),
    ("加Q 12345678", QQ),
    ("Q：12345678", QQ),
    ("QQ 01234567", QQ),
    ("QQ 1 2 3 4 5 6 7", QQ),
    ("WhatsApp +1 212 555 0155", WHATSAPP),
    ("Whats app: +86 138 0013 8000", WHATSAPP),
    ("whatsapp:100 1234 5678", WHATSAPP),
    ("WA: +447911123456", WHATSAPP),
    ("wa.me/447911123456", WHATSAPP),
    ("Telegram @lucky_shop", TELEGRAM),
    ("Telegram: luckyshop", TELEGRAM),
    ("TG: @luckyshop", TELEGRAM),
    ("t.me/luckyshop", TELEGRAM),
    ("mei@example.com", EMAIL),
    ("mei @ example.com", EMAIL),
    ("Mail: m.shop-1@mail.example.co.uk", EMAIL),
    ("mei (at) example (dot) com", EMAIL),
    ("ｍｅｉ＠example.com", EMAIL),
    ("https://shop.example/1234", URL),
    ("http://example.com", URL),
    ("www.lucky-mei12.example", URL),
    ("www. lucky. com", URL),
    ("buy at lucky-shop.com now", URL),
    ("lucky点com", URL),
    ("lucky。com", URL),
    ("shop.example.com.cn/a", URL),
    ("lucky.shop/abc", URL),
    ("buy cheaper at lucky-mei.test", URL),
    ("@lucky_mei", HANDLE),
    ("Add me: @Lucky.Mei88", HANDLE),
    ("＠lucky_mei", HANDLE),
]

NEGATIVES = [
    "",
    "¥199.00",
    "$12.99 / $15.99",
    "199.00 1299.00",
    "￥139.00 ￥1,599.00",
    "Total $1,380.01",
    "合计 138.00 元",
    "130 140 150 160 170 180",
    "13 14 15 16 17 18",
    "35 36 37 38 39 40 41",
    "S M L XL XXL",
    "身高165体重50kg",
    "160/84A 165/88A 170/92A",
    "1.5m x 2.0m",
    "1920x1080",
    "138 x 90 x 25 mm",
    "订单号 13912345678",
    "订单编号：2024013812345678901",
    "运单号: 1380013800012",
    "ORDER 1380013",
    "Order No. 13800138000",
    "No: 18812345678",
    "S/N 13912345678",
    "SN13912345678",
    "GST REG NO: 001335787520",
    "Lot 4471-B",
    "6901234567892",
    "4006381333931",
    "2024-01-31",
    "2024年1月31日 13:20",
    "13:20 2024/01/31",
    "2024.01.31 - 2025.01.31",
    "20240131 138",
    "1706700000",
    "1706700000000",
    "iPhone 15 Pro Max 256GB",
    "SM-G9910",
    "Model WH-1000XM5",
    "VX-2000",
    "VX 500",
    "WX 3000",
    "12V 220V 50Hz",
    "V: 220V",
    "V2.0",
    "XL-1380013A",
    "400-820-8820",
    "服务热线 400 820 8820",
    "微信支付",
    "微信支付 ¥138.00",
    "微信好友推荐",
    "WeChat Pay accepted here",
    "Follow our WeChat account",
    "微波炉加热3分钟",
    "微辣",
    "加微波炉",
    "蔷薇花 500g",
    "威化饼干 200g",
    "QQ糖 500g",
    "QQ 弹牙",
    "Chery QQ 2023",
    "扣 10000",
    "三八妇女节",
    "一二三四五六七八九十",
    "二〇二四年一月",
    "What's up",
    "WhatsApp us",
    "3 @ $5.99",
    "2 @ 3.50",
    "Vitamin B.Complex",
    "cotton.top quality",
    "Net wt. 12.5 oz. (354 g)",
    "No.2, Jalan Temenggung 19/9.",
    "Mr.Smith and Co.",
    "100% cotton",
    "GB/T 22849-2014",
    "执行标准 13912345678",
    "HELLO 2024",
    "v信念",
    "+10 000 000 sold",
    "-138 0013",
    "s.shop/abc",
    "0.13800138000",
    "13800138000.50",
    "10 20 30 40 50 60",
    "telegraph pole",
    "QQ 123",
    "text 2024",
    "Contact lens 138",
    "3 @ 9.90",
    "meet @ home",
    "@2x",
    "@all",
    "lucky.testing",
]


@pytest.mark.parametrize(("text", "kind"), POSITIVES)
def test_find_contacts_finds_each_kind(text: str, kind: ContactKind) -> None:
    assert kind in {contact.kind for contact in find_contacts([text])}


@pytest.mark.parametrize("text", NEGATIVES)
def test_find_contacts_ignores_other_text(text: str) -> None:
    assert find_contacts([text]) == []


def test_phone_number_is_normalized() -> None:
    assert find_contacts(["一三八 OO1三 8ooo"]) == [Contact(PHONE, "13800138000")]


def test_account_includes_its_keyword() -> None:
    assert find_contacts(["加微信 demo888"]) == [Contact(WECHAT, "加微信 demo888")]


def test_keyword_and_account_in_two_lines_are_found() -> None:
    assert Contact(WECHAT, "微信: lucky_88") in find_contacts(["微信:", "lucky_88"])


def test_phone_number_in_the_line_after_its_keyword_is_found() -> None:
    assert find_contacts(["电话", "555-0142"]) == [Contact(PHONE, "5550142")]
    assert find_contacts(["Cotton", "555-0142"]) == []


@pytest.mark.parametrize("prices", ["199 1299 1399", "180/2000/2200", "139 1599 1999"])
def test_prices_and_sizes_grouped_like_a_mobile_number_are_none(prices: str) -> None:
    assert find_contacts([prices]) == []
    assert find_contacts(prices.replace("/", " ").split()) == []


@pytest.mark.parametrize(
    "lines",
    [["138", "12345678"], ["1381234", "5678"], ["138", "1234", "5678"], ["加V138", "1234 5678"]],
)
def test_mobile_number_split_over_lines_is_found(lines: list[str]) -> None:
    assert Contact(PHONE, "13812345678") in find_contacts(lines)
    assert find_contacts([*lines[:-1], "Cotton", lines[-1]]) == []


def test_repeated_contact_is_reported_once() -> None:
    assert len(find_contacts(["www.lucky.example", "WWW.lucky.example"])) == 1


def test_digits_for_letters_keeps_sizes_and_words() -> None:
    assert normalize_text("ＸＬ　１０ｏｚ") == "XL 10oz"
    assert digits_for_letters("10oz 5l XL 2lbs") == "10oz 5l XL 2lbs"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("VX13812345678", WECHAT),
        ("13812 345678", PHONE),
        ("(138)1234-5678", PHONE),
        ("微❤信 abc123", WECHAT),
        ("V.X: abc123", WECHAT),
        ("W\u0435\u0421h\u0430t abc123", WECHAT),
        ("LINE ID: abc123", ContactKind.LINE),
        ("Instagram: abc.123", ContactKind.INSTAGRAM),
        ("抖音号：abc123", ContactKind.TIKTOK),
        ("linktr.ee/abc123", URL),
        ("415-555-0132", PHONE),
    ],
)
def test_spelling_that_once_passed_is_found(text: str, kind: ContactKind) -> None:
    assert kind in {contact.kind for contact in find_contacts([text])}


def test_lines_that_were_searched_before_are_not_searched_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = ["Lot 0815 searched once", "Net weight 500 g searched once", "call me searched once"]
    searched: list[str] = []

    def find_none(line: str) -> list[tuple[ContactKind, str]]:
        searched.append(line)
        return []

    monkeypatch.setattr(contacts, "find_accounts", find_none)
    for count in range(1, len(lines) + 1):  # as each line is read
        find_contacts(lines[:count])
    assert len(searched) == len(set(searched)) == 3 + 2 + 1
