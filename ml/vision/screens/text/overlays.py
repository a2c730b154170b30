"""Find overlaid advertising without a contact detail: calls, offers and watermarks.

Products carry advertising text of their own: a shelf tag says "50 % off", a box "scan me", a shirt
"SALE". So a call to action counts anywhere only if no manufacturer or shop prints it; an offer
counts only on a horizontal line across the photo, like a banner; and unknown words count as a
watermark only if they are repeated at a slant.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ml.vision.screens.text.lines import TextLine
from ml.vision.screens.text.normalize_text import normalize_letters, normalize_text
from ml.vision.screens.text.review_for_cash import find_review_calls


class OverlayKind(StrEnum):
    """Kind of an overlay; also the reason of the screen."""

    PROMOTION = "promotion"
    WATERMARK = "watermark"
    REVIEW_FOR_CASH = "review_for_cash"


@dataclass(frozen=True)
class Overlay:
    """One overlay; `text` is its normalized line."""

    kind: OverlayKind
    text: str


_MIN_BANNER_WIDTH = 0.45  # of a line, as a share of the photo's width
_MAX_BANNER_SLANT = 5.0  # degrees from horizontal
_TILED_SLANT = (12.0, 78.0)  # degrees; horizontal and vertical rows are products on a shelf
_TILED_LETTERS = 5  # length of the repeated text
_MIN_TILED_REPEATS = 3

_I = re.IGNORECASE
# Matched after `normalize_text`, which turns Chinese numerals into digits. Spaces between English
# words are optional, because OCR often loses them.
_CALL = re.compile(
    r"\b(?:dm|pm|inbox|whatsapp|wechat) ?(?:me|us)\b(?! your)|\badd ?me\b|\bscan ?me\b"
    r"|\bclick ?(?:the|my|this) ?link\b|\blink ?in ?(?:my ?)?bio\b"
    r"|\b(?:buy|get ?it|order) ?(?:it ?)?cheaper ?(?:at|from|here)\b"
    r"|\bcheaper ?(?:at|on) ?my\b|\bmessage ?me ?(?:to|for)\b|\bvisit ?my ?(?:shop|store|page)\b"
    r"|\bjoin ?(?:our|my|the) ?(?:[\w-]+ ?){0,2}(?:group|gr0up|channel|chat|club on|server)\b"
    r"|\b(?:rejoins|unete|entre|junte|tham gia|vao|tritt)\b.{0,16}\b(?:groupe|grupo|nhom|gruppe)\b"
    + normalize_letters("|подписывайтесь|вступайте|オープンチャット|단톡방|오픈채팅|เข้ากลุ่ม")
    + r"|(?:[进進加](?:[^\w]{0,2})|加入[^人\W]{0,4}?)(?:微信|qq)?群(?![众体岛组])"
    r"|入群(?=[领領口暗送])|(?:优惠|福利|内部|粉丝)群|\bjin ?qun\b"
    r"|私信我|私聊|加我(?!们)|群主|点击链接|主页链接|招代理|诚招代理|招加盟|微商|代购|1件代发|1手货源"
    r"|货源批发|同款私|全网最低价?|[扫掃][码碼](?:领|領|加|[进進]|入群)|复制(?:口令|链接)|淘口令",
    _I,
)  # fmt: skip
_OFFER = re.compile(
    r"\d{1,2} ?% ?off|\bbuy ?\d ?get ?\d\b|\bfree ?(?:gift|shipping|delivery)\b|\bbest ?price\b"
    r"|\bwholesale\b|\bbig ?sale\b|\bflash ?sale\b|\b(?:order|call|shop|buy) ?now\b|\bdiscount\b"
    r"|\blimited ?(?:offer|time)\b|\bhot ?sale\b|\bclearance\b"
    r"|批发|优惠|特价|秒杀|清仓|促销|包邮|买1送1|厂家直销|领券|福利|限时|[1-9] ?折",
    _I,
)  # fmt: skip
# Matched on letters and digits only: watermarks are truncated at the photo's edge and OCR loses
# their spaces.
_WATERMARK = re.compile(
    r"watermark|previewonly|reviewonly(?=preview)|^preview$|sample(?:stock|image|photo|only)|photobank"
    r"|stock(?:photo|image)|shutterstock|gettyimages|istockphoto|depositphotos|dreamstime|alamy"
    r"|123rf|adobestock|freepik|donot(?:copy|repost|steal)"
    r"|样图|水印|盗图|禁止(?:转载|搬运)|视觉中国|图虫|千图网|摄图网|昵图网|包图网|汇图网",
    _I,
)  # fmt: skip


def find_overlays(lines: Sequence[TextLine], width: int) -> list[Overlay]:
    """The distinct overlays in the lines of a photo of this width in pixels.

    Calls that pay for reviews come first, then promotions, then watermarks.
    """
    promotions = (
        Overlay(OverlayKind.PROMOTION, normalize_text(line.text))
        for line in lines
        if _is_promotion(line, width)
    )
    watermarks = (Overlay(OverlayKind.WATERMARK, text) for text in _watermarks(lines))
    calls = find_review_calls([line.text for line in lines])
    paid = (Overlay(OverlayKind.REVIEW_FOR_CASH, text) for text in calls)
    return list(dict.fromkeys([*paid, *promotions, *watermarks]))


def _is_promotion(line: TextLine, width: int) -> bool:
    text = normalize_text(line.text)
    length, slant = _length_and_slant(line)
    is_banner = length >= _MIN_BANNER_WIDTH * width and slant <= _MAX_BANNER_SLANT
    return bool(_CALL.search(text) or (is_banner and _OFFER.search(text)))


def _length_and_slant(line: TextLine) -> tuple[float, float]:
    """Length of a line in pixels, and its slant: 0 (horizontal) to 90 (vertical) degrees."""
    first, second, third, _ = line.box
    sides = [(b[0] - a[0], b[1] - a[1]) for a, b in ((first, second), (second, third))]
    x, y = max(sides, key=lambda side: math.hypot(*side))
    return math.hypot(x, y), math.degrees(math.atan2(abs(y), abs(x)))


def _watermarks(lines: Sequence[TextLine]) -> Iterator[str]:
    for line in lines:
        if _WATERMARK.search(_letters(line.text)):
            yield normalize_text(line.text)
    low, high = _TILED_SLANT
    yield from _tiled_text([line for line in lines if low <= _length_and_slant(line)[1] <= high])


def _tiled_text(slanted: Sequence[TextLine]) -> Iterator[str]:
    """The most repeated letter sequence of the slanted lines, if it is repeated often enough."""
    counts: Counter[str] = Counter()
    for line in slanted:
        letters = _letters(line.text).lower()
        counts.update(
            letters[n : n + _TILED_LETTERS] for n in range(len(letters) - _TILED_LETTERS + 1)
        )
    for letters, repeats in counts.most_common(1):
        if repeats >= _MIN_TILED_REPEATS and len(slanted) > 1:
            yield letters


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", normalize_text(text))
