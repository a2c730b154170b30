"""Advertising laid over a photo without a contact detail: calls to buy elsewhere, and watermarks.

Goods speak, too: a shelf tag says "50 % off", a box "scan me", a shirt "SALE". So a call counts
anywhere only where no maker or shop prints it; an offer counts on a level line across the photo,
as a banner is; and words that nobody knows count as a watermark where they are tiled at a slant.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ml.screens.disguise import plain
from ml.screens.ocr import Line


class OverlayKind(StrEnum):
    """What was laid over the photo; also the reason of the screen."""

    PROMOTION = "promotion"
    WATERMARK = "watermark"


@dataclass(frozen=True)
class Overlay:
    """One sign of advertising; `text` is the line that bears it, without disguise."""

    kind: OverlayKind
    text: str


_BANNER_WIDTH = 0.45  # of the photo's: least width of a line that counts as a banner's
_BANNER_SLANT = 5.0  # degrees from level, at most
_TILED_SLANT = (12.0, 78.0)  # degrees: level and upright rows are goods on a shelf
_TILED_LETTERS = 5  # that repeat
_TILED_TIMES = 3

_I = re.IGNORECASE
# Matched in `plain` text, where Chinese numerals are digits; the English words with and without
# their spaces, which the recogniser often loses.
_CALL = re.compile(
    r"\b(?:dm|pm|inbox|whatsapp|wechat) ?(?:me|us)\b|\badd ?me\b|\bscan ?me\b"
    r"|\bclick ?(?:the|my|this) ?link\b|\blink ?in ?(?:my ?)?bio\b"
    r"|\b(?:buy|get ?it|order) ?(?:it ?)?cheaper ?(?:at|from|here)\b"
    r"|\bcheaper ?(?:at|on) ?my\b|\bmessage ?me ?(?:to|for)\b|\bvisit ?my ?(?:shop|store|page)\b"
    r"|私信我|私聊|加我(?!们)|加群|进群|群主|点击链接|主页链接|招代理|诚招代理|招加盟|微商|代购|1件代发|1手货源"
    r"|货源批发|同款私|全网最低价?|扫码(?:领|加|进|入群)|复制(?:口令|链接)|淘口令",
    _I,
)  # fmt: skip
_OFFER = re.compile(
    r"\d{1,2} ?% ?off|\bbuy ?\d ?get ?\d\b|\bfree ?(?:gift|shipping|delivery)\b|\bbest ?price\b"
    r"|\bwholesale\b|\bbig ?sale\b|\bflash ?sale\b|\b(?:order|call|shop|buy) ?now\b|\bdiscount\b"
    r"|\blimited ?(?:offer|time)\b|\bhot ?sale\b|\bclearance\b"
    r"|批发|优惠|特价|秒杀|清仓|促销|包邮|买1送1|厂家直销|领券|福利|限时|[1-9] ?折",
    _I,
)  # fmt: skip
# Letters and signs only: watermarks are cut off by the photo's edge and lose their spaces.
_MARK = re.compile(
    r"watermark|previewonly|reviewonly(?=preview)|^preview$|sample(?:stock|image|photo|only)|photobank"
    r"|stock(?:photo|image)|shutterstock|gettyimages|istockphoto|depositphotos|dreamstime|alamy"
    r"|123rf|adobestock|freepik|donot(?:copy|repost|steal)"
    r"|样图|水印|盗图|禁止(?:转载|搬运)|视觉中国|图虫|千图网|摄图网|昵图网|包图网|汇图网",
    _I,
)  # fmt: skip


def find_overlays(lines: Sequence[Line], width: int) -> list[Overlay]:
    """The overlays in recognised lines, each once: first calls and offers, then watermarks.

    Args:
        lines: of one photo.
        width: of that photo, in pixels, as the lines' boxes are.
    """
    promotions = (
        Overlay(OverlayKind.PROMOTION, plain(line.text)) for line in lines if _promotes(line, width)
    )
    marks = (Overlay(OverlayKind.WATERMARK, text) for text in _marks(lines))
    return list(dict.fromkeys([*promotions, *marks]))


def _promotes(line: Line, width: int) -> bool:
    text = plain(line.text)
    if _CALL.search(text):
        return True
    return bool(_OFFER.search(text)) and _is_banner(line, width)


def _is_banner(line: Line, width: int) -> bool:
    run, slant = _run(line)
    return run >= _BANNER_WIDTH * width and slant <= _BANNER_SLANT


def _run(line: Line) -> tuple[float, float]:
    """Length of a line in pixels, and its slant: 0 (level) to 90 (upright) degrees."""
    first, second, third, _ = line.box
    sides = [(b[0] - a[0], b[1] - a[1]) for a, b in ((first, second), (second, third))]
    x, y = max(sides, key=lambda side: math.hypot(*side))
    return math.hypot(x, y), math.degrees(math.atan2(abs(y), abs(x)))


def _marks(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        if _MARK.search(_letters(line.text)):
            yield plain(line.text)
    yield from _tiled(
        [line for line in lines if _TILED_SLANT[0] <= _run(line)[1] <= _TILED_SLANT[1]]
    )


def _tiled(slanted: Sequence[Line]) -> Iterator[str]:
    """The run of letters that slanted lines repeat most, where they do so often enough."""
    counts: Counter[str] = Counter()
    for line in slanted:
        letters = _letters(line.text).lower()
        counts.update(
            letters[n : n + _TILED_LETTERS] for n in range(len(letters) - _TILED_LETTERS + 1)
        )
    for letters, times in counts.most_common(1):
        if times >= _TILED_TIMES and len(slanted) > 1:
            yield letters


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", plain(text))
