"""Find calls that pay for reviews: a good review for money, a gift card or a refund."""

import re
from collections.abc import Iterator, Sequence

from ml.vision.screens.text.normalize_text import normalize_letters, normalize_text
from ml.vision.screens.text.spelling import one_of

_MAX_LINES = 3  # of a call that is split over lines
_BETWEEN = r"[^。]{0,50}?"

_SUM = r"(?:(?:[$€£¥]|usd|eur|rmb) ?\d|\d{1,6} ?(?:[$€£¥]|usd|eur|euros?|dollars?|rmb|k\b))"
_STARS = "[★⭐☆]{5}"
# For each language what is asked for, and what is paid; either may come first. A sum counts only
# with a word such as "get": shops show prices next to the number of reviews. Digits and letters
# are those of `normalize_text`: "五星" is "5星", accents are missing.
_LANGUAGES = (
    (  # Chinese
        one_of(
            "[好5全][星评評]|5 ?星|5颗星|全5分|满分|晒[图圖单單买]|[追留写][评評]|[评評][价價]",
            "[评評](?=[返反有]|fan)|hao ?ping|带图|图评|買家秀|买家秀",
            _STARS,
        ),
        one_of(
            r"返(?:现|現|利|还|钱|红包|(?=$|\W))|(?:反|fan)现|fan ?xian|红包|紅包|现金(?!支付)",
            r"現金|[返奖獎领領] ?\d+|[送得赠补] ?\d+(?:\.\d)? ?[元块]",
            r"\d{1,6} ?元(?:红包|现金|奖|返)",
            "奖励|獎勵|免单|免單|话费|折现|全额返|礼品卡|京东卡|送礼[物品]|送(?:小|好|大|精美)礼|有礼|回馈金",
        ),
    ),
    (  # English
        one_of(
            r"(?:5|five)[ -]?stars?|\brev[i1]ews?\b|\b(?:positive|good|your) feedback\b",
            rf"\brat(?:e us|ing)\b|{_STARS}",
        ),
        one_of(
            r"g[i1]ft ?cards?|cash ?back|\bcash\b|\brefund|\breward|\brebate|\bvoucher|\bcoupon",
            r"\bpaypal|\bfree (?:gift|product|item)|\bget paid|\bwe pay",
            r"(?:get|claim|receive) (?:your|an?) (?:free )?gift",
            rf"(?:get|receive|earn|win|claim|for|=) ?(?:an? |your )?(?:free )?{_SUM}",
            rf"{_SUM} ?(?:for|gift|back|bonus)",
        ),
    ),
    (  # German
        r"(?:(?:5|funf)[ -]?sterne?|bewertung|rezension|bewerten)",
        one_of(
            "gutschein|gratis|cashback|erstattung|geld zuruck|geschenk|pramie",
            rf"(?:erhalt|bekomm|sicher|fur|=).{{0,12}}{_SUM}|{_SUM} fur",
        ),
    ),
    (  # French
        r"(?:(?:5|cinq) ?etoiles|\bavis\b|\bcommentaire)",
        one_of(
            "cartes? cadeaux?|cadeau|rembours|bon d.?achat|recompense",
            rf"(?:rece|obten|gagn|contre|=).{{0,12}}{_SUM}|{_SUM} (?:pour|contre|offert)",
        ),
    ),
    (  # Spanish
        r"(?:(?:5|cinco) ?estrellas|resena|opinion|valoracion|calificacion|comentario)",
        one_of(
            "tarjetas? (?:de )?regalo|regalo|reembols|cupon|dinero|efectivo",
            rf"(?:recib|gan|obten|llev|por|=).{{0,12}}{_SUM}|{_SUM} por",
        ),
    ),
    (  # Portuguese
        r"(?:(?:5|cinco) ?estrelas|avaliac[ao]+)",
        one_of(
            r"vale.?presente|brinde|reembolso|cashback|cupom|\bpix\b",
            rf"(?:ganh|receb|=).{{0,12}}(?:r\$ ?\d+|{_SUM})",
        ),
    ),
    (  # Italian
        r"(?:(?:5|cinque) ?stelle|recensione)",
        rf"(?:buono|rimborso|regalo|(?:ricev|ottien|=).{{0,12}}{_SUM})",
    ),
    (  # Japanese
        r"(?:レビュー|口コミ|星5|高評価)",
        r"(?:プレゼント|クーポン|返金|キャッシュ|ギフト|\d ?円|進呈)",
    ),
    (  # Korean
        r"(?:리뷰|후기|별점)",
        r"(?:현금|캐시|쿠폰|적립|상품권|기프티콘|\d ?원|페이백)",
    ),
    (  # Russian
        r"(?:отзыв|5 ?звезд)",
        r"(?:к[эе]шб[эе]к|руб|подарок|возврат|денег|деньги)",
    ),
    (  # Thai
        r"(?:รีวิว|5 ?ดาว)",
        r"(?:เงินคืน|บาท|ส่วนลด)",
    ),
    (  # Vietnamese
        r"(?:danh gia|5 ?sao)",
        rf"(?:nhan (?:\w+ )?\d+|hoan tien|tang (?:qua|\d+)|nhan qua|{_SUM})",
    ),
)


def _forms() -> Iterator[str]:
    for pair in _LANGUAGES:
        request, paid = map(normalize_letters, pair)
        yield rf"{request}{_BETWEEN}{paid}"
        yield rf"{paid}{_BETWEEN}{request}"


_CALL = re.compile(one_of(*_forms()), re.IGNORECASE)


def find_review_calls(lines: Sequence[str]) -> Iterator[str]:
    """Calls that pay for a review, in lines of recognized text in reading order."""
    normalized = [normalize_text(line) for line in lines]
    for start, line in enumerate(normalized):
        if _CALL.search(line):
            yield line
            continue
        joined = " ".join(normalized[start : start + _MAX_LINES])
        match = _CALL.search(joined)
        if match and match.start() < len(line) < match.end():
            yield match.group()
