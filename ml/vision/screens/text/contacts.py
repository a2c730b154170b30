"""Find contact details in recognized text, including the obfuscations that sellers use."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest


class ContactKind(StrEnum):
    """Kind of a contact detail."""

    PHONE = "phone"
    WECHAT = "wechat"
    QQ = "qq"
    WHATSAPP = "whatsapp"
    TELEGRAM = "telegram"
    EMAIL = "email"
    URL = "url"
    HANDLE = "handle"


@dataclass(frozen=True)
class Contact:
    """One contact detail; `text` is the normalized match."""

    kind: ContactKind
    text: str


def find_contacts(lines: Sequence[str]) -> list[Contact]:
    """The distinct contact details in lines of recognized text, in the order of the lines.

    A keyword may be in one line and its account in the next ("加微信" / "lucky_88"), so pairs of
    neighboring lines are searched, too. They are searched for phone numbers only after a phone
    keyword ("Tel" / "555-0142"): two prices together could look like a number.
    """
    normalized = [normalize_text(line) for line in lines]
    contacts: list[Contact] = []
    for line, next_line in zip_longest(normalized, normalized[1:]):
        contacts += _in_line(line)
        if next_line is not None:
            contacts += _across_lines(line, next_line)
    return list(dict.fromkeys(contacts))


def _across_lines(line: str, next_line: str) -> Iterator[Contact]:
    joined = f"{line} {next_line}"
    yield from _accounts(joined)
    if _PHONE_KEYWORD.search(f"{line} "):
        for number in _phones(digits_for_letters(joined)):
            yield Contact(ContactKind.PHONE, number)


def _in_line(line: str) -> Iterator[Contact]:
    yield from _accounts(line)
    for number in _phones(digits_for_letters(line)):
        yield Contact(ContactKind.PHONE, number)
    for match in _EMAIL.finditer(line):
        yield Contact(ContactKind.EMAIL, match.group().replace(" ", "").lower())
    for match in _URL.finditer(line):
        yield Contact(ContactKind.URL, match.group().replace(" ", "").rstrip(".,;)").lower())
    for match in _HANDLE_ALONE.finditer(line):
        yield Contact(ContactKind.HANDLE, match.group().lower())


# --- accounts after a keyword

_I = re.IGNORECASE
_COLON = r" ?[:;=>@] ?"
_NUMBER = r"\+?\d(?:[ -]?\d){5,13}(?!\d)"
_HANDLE = r"[a-z][a-z0-9_-]{4,19}(?![a-z0-9_-])"
# Without a preceding colon, a word is an account only if it contains a digit or an underscore:
# "WeChat account" and "微信支付" are not accounts.
_ODD_HANDLE = r"(?=[a-z_-]*[\d_])" + _HANDLE

_WECHAT_NAME = r"微信号?|薇信|威信|徽信|v信|微x|we ?chat|wei ?xin|vx|wx"
_ACCOUNTS = {
    ContactKind.WECHAT: re.compile(
        rf"(?<![a-z\d.])(?:{_WECHAT_NAME})(?:(?: ?(?:id|号))?{_COLON}(?:{_HANDLE}|{_NUMBER})"
        rf"| ?(?:id|号|是)? ?{_ODD_HANDLE}| {_NUMBER})"
        rf"|微信号?(?:{_HANDLE}|{_NUMBER})"
        # short names need a verb such as "add": 加V abc123, +薇 138...
        r"|(?:加|\+|➕|\badd ) ?(?:我 ?)?(?:微|薇|威|v)(?![a-z]) ?[:=]? ?"
        rf"(?:{_ODD_HANDLE}|{_NUMBER})"
        rf"|(?<![a-z\d.])(?:v|微|薇|威) ?: ?(?:{_ODD_HANDLE}|{_NUMBER})"
        rf"|(?:加|扫|➕|\+) ?(?:我|我的|个|下)? ?(?:微信|薇信|v信|vx|wx)(?!支付|[a-z])"
        rf"(?:(?:{_COLON}| ?)(?:{_ODD_HANDLE}|{_NUMBER}))?"
        r"|(?<![a-z\d])wxid_[a-z0-9]{6,}",
        _I,
    ),
    ContactKind.QQ: re.compile(
        r"(?<![a-z\d.])(?:qq|扣扣|球球|企鹅|q群|加 ?q{1,2}|加扣|q(?=:))"
        rf"(?:群|号|号码)?(?:{_COLON}| ?)"
        r"\d(?: ?\d){4,10}(?! ?\d)(?!\.\d)",
        _I,
    ),
    ContactKind.WHATSAPP: re.compile(
        rf"what'?s ?app?(?:{_COLON}| ?){_NUMBER}|(?<![a-z\d])wa ?: ?{_NUMBER}"
        r"|(?<![a-z\d])wa\.me/\S+",
        _I,
    ),
    ContactKind.TELEGRAM: re.compile(
        rf"(?<![a-z\d])(?:telegram|tele ?gram|电报|纸飞机)(?:{_COLON}| ?@?)(?:{_HANDLE}|{_NUMBER})"
        rf"|(?<![a-z\d])tg ?[:@] ?@?(?:{_HANDLE}|{_NUMBER})|(?<![a-z\d.])t\.me/\S+",
        _I,
    ),
}


def _accounts(line: str) -> Iterator[Contact]:
    numbers = digits_for_letters(line)
    for kind, pattern in _ACCOUNTS.items():
        # Replacing look-alikes can corrupt an account's letters: try the unchanged line first.
        match = pattern.search(line) or pattern.search(numbers)
        if match:
            yield Contact(kind, match.group().strip())


# --- addresses

_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]+ ?@ ?[a-z0-9-]+(?: ?\. ?[a-z0-9-]+)*\.[a-z]{2,10}\b", _I | re.ASCII
)
# Bare domains only with top-level domains that are no words: "cotton.top" is usually a missing
# space.
_URL = re.compile(
    r"https? ?: ?/ ?/ ?[^\s,，。]+"
    r"|(?<![a-z\d])www ?[.,] ?[a-z0-9-]+(?: ?\. ?[a-z0-9-]+)+(?:/\S*)?"
    r"|(?<![\w@.-])(?:[a-z0-9-]+\.)*[a-z0-9-]{2,}\.(?:com|cn|net|org|example|test)(?![a-z\d-])(?:/\S*)?"
    r"|(?<![\w@.-])(?:[a-z0-9-]+\.)*[a-z0-9-]{2,}\."
    r"(?:top|xyz|vip|shop|store|club|site|online|info|cc|io|me|co|ru)/[a-z0-9]\S*",
    _I | re.ASCII,
)  # fmt: skip

# A social media handle: 0 of 300 photos of products have one, 16 of 140 with a banner do.
_HANDLE_ALONE = re.compile(r"(?<![\w.@+-])@[a-z][a-z0-9_.]{3,29}(?![a-z0-9@])", _I | re.ASCII)

# --- phone numbers

_GAP = r"[ .\-*_~,、·•]{1,3}"
_RUN = re.compile(rf"(?<![\d.])(?:\+|00)?\d+(?:{_GAP}\d+)*")
_MOBILE = re.compile(r"1[3-9]\d{9}")
# Usual digit groupings of mobile numbers; other groupings are lists of prices, sizes or dates.
_GROUPINGS = frozenset({(11,), (3, 4, 4), (3, 3, 5), (4, 4, 3), (4, 3, 4), (1,) * 11})
_PHONE_KEYWORD = re.compile(
    r"(?:(?<![a-z])(?:tel|phone|mobile|call|mob|cell|text|contact)|电话|電話|手机|手機|热线|熱線|联系|聯繫|致电|拨打|☎|📞|📱)"
    r"[^\d+(]{0,8}$",
    _I,
)
_OTHER_NUMBER_KEYWORD = re.compile(
    r"(?:(?<![a-z])(?:order|no|s/?n|serial|lot|ref|invoice|item|sku|model|code|tracking|gst|reg|art|id)"
    r"|订单|单号|编号|型号|货号|运单|条码|批号|流水|许可证|税号|账号|标准)[^\d+(]{0,10}$",
    _I,
)
_MIN_DIGITS_AFTER_KEYWORD = 7
_MIN_DIGITS_ABROAD = 10
_MAX_DIGITS = 15  # E.164
_LANDLINE = re.compile(r"(?<![\d.-])0(?:10|2\d|[3-9]\d{2})[- ][2-9]\d{6,7}(?![\d-])")
_BRACKETED = re.compile(r"\([2-9]\d{2}\) ?[2-9]\d{2}[- ]\d{4}(?!\d)")
_HOTLINE = re.compile(r"[48]00\d{7}")  # manufacturers' service lines, on most Chinese packages


def _phones(line: str) -> Iterator[str]:
    for match in _RUN.finditer(line):
        before = line[: match.start()]
        if _is_phone(match.group(), before, line[match.end() :]):
            sign = "+" if match.group().startswith("+") else ""
            yield sign + re.sub(r"\D", "", match.group())
    for pattern in (_LANDLINE, _BRACKETED):
        for match in pattern.finditer(line):
            if not _OTHER_NUMBER_KEYWORD.search(line[: match.start()]):
                yield re.sub(r"\D", "", match.group())


def _is_phone(run: str, before: str, after: str) -> bool:
    digits = re.sub(r"\D", "", run)
    if _HOTLINE.fullmatch(digits):
        return False
    if _PHONE_KEYWORD.search(before):
        return _MIN_DIGITS_AFTER_KEYWORD <= len(digits) <= _MAX_DIGITS and not after.startswith("%")
    if _OTHER_NUMBER_KEYWORD.search(before) or _is_part_of_word(before, after):
        return False
    if run.startswith("+") and not run.startswith("+86"):
        return _MIN_DIGITS_ABROAD <= len(digits) <= _MAX_DIGITS
    return _is_mobile(run)


def _is_part_of_word(before: str, after: str) -> bool:
    """Whether the number is part of a longer word, such as a model or serial number."""
    return bool(re.search(r"[a-zA-Z]$", before) or re.match(r"[a-zA-Z:%/]\w", after))


def _is_mobile(run: str) -> bool:
    national = re.sub(rf"^(?:\+|00)?86(?:{_GAP})?(?=1)", "", run)
    groups = tuple(len(group) for group in re.findall(r"\d+", national))
    return groups in _GROUPINGS and bool(_MOBILE.fullmatch(re.sub(r"\D", "", national)))


# --- normalization

_CHINESE_DIGITS = str.maketrans(
    "〇零一二三四五六七八九壹贰叁肆伍陆柒捌玖幺", "001234567891234567891"
)
_BLACK_CIRCLES = {first + n: str(n + 1) for first in (0x2776, 0x278A) for n in range(9)}
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff\ufe0e\ufe0f\u20e3]")
_DASHES = re.compile(r"[\u2010-\u2015\u2212]")
_SPACES = re.compile(r"\s+")
_SPELT_DOT = re.compile(
    r"\s*(?:[(\[{]\s*dot\s*[)\]}]|点|。)\s*(?=(?:com|cn|net|org)(?![a-z]))", re.IGNORECASE
)
_SPELT_AT = re.compile(r"\s*[(\[{]\s*at\s*[)\]}]\s*", re.IGNORECASE)

# A letter that looks like a digit is replaced only between digits (or before the 3 to 9 that
# follows the 1 of a Chinese mobile number), so that words and sizes (XL, 5l) stay unchanged.
_ZERO = re.compile(
    r"(?<=\d)[oO]+(?=[ .\-]?\d)|(?<=\d[ .\-])[oO]+(?=[lI|]?\d)|(?<=\d)[oO]{2,}(?![a-zA-Z])"
)
_ONE = re.compile(r"(?<=\d)[lI|](?=[ .\-]?\d)|(?<![a-zA-Z\d])[lI|](?=[3-9][\doO])")


def normalize_text(text: str) -> str:
    """One line of text without obfuscations that are unambiguous.

    Applies NFKC (full-width letters, circled digits), removes invisible characters, unifies dashes
    and spaces, and replaces Chinese numerals by digits and a bracketed "dot" or "at" by its sign.
    """
    text = unicodedata.normalize("NFKC", text.translate(_BLACK_CIRCLES))
    text = _DASHES.sub("-", _INVISIBLE.sub("", text))
    text = _SPACES.sub(" ", text.translate(_CHINESE_DIGITS)).strip()
    return _SPELT_AT.sub("@", _SPELT_DOT.sub(".", text))


def digits_for_letters(text: str) -> str:
    """Replace letters between digits that look like digits; only for the search of numbers."""
    previous = ""
    while previous != text:
        previous = text
        text = _ZERO.sub(lambda match: "0" * len(match.group()), _ONE.sub("1", text))
    return text
