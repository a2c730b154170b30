"""Contact details in recognised text, also in the disguises that sellers of other shops use."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class ContactKind(StrEnum):
    """What a contact detail leads to."""

    PHONE = "phone"
    WECHAT = "wechat"
    QQ = "qq"
    WHATSAPP = "whatsapp"
    TELEGRAM = "telegram"
    EMAIL = "email"
    URL = "url"


@dataclass(frozen=True)
class Contact:
    """One contact detail; `text` is the normalised form of what was found."""

    kind: ContactKind
    text: str


_DIGITS = str.maketrans("〇零一二三四五六七八九壹贰叁肆伍陆柒捌玖幺①②③④⑤⑥⑦⑧⑨⓪", "00123456789" "123456789" "1" "1234567890")
_CHINESE = "〇零一二三四五六七八九壹贰叁肆伍陆柒捌玖幺"
# Three of them in a row and more are a number spelt out; fewer are words (一次, 三二一 aside).
_SPELT = re.compile(rf"[{_CHINESE}](?:[ .\-]?[{_CHINESE}\d]){{2,}}")
_LOOK_ALIKE = str.maketrans("oOQDlI|iSsBZzåо", "000011115582200"[:15])
_LETTERS = r"oOlI|"
_BETWEEN_DIGITS = re.compile(rf"(?<=[\d])[{_LETTERS}]{{1,2}}(?=[ .\-]?\d)")
_DASHES = re.compile(r"[\u2010-\u2015\u2212\u30fc\uff5e~_·•・]")
_SPACES = re.compile(r"\s+")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff\ufe0e\ufe0f\u20e3]")
