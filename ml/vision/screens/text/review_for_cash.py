"""Find calls that pay for reviews: a good review for money, a gift card or a refund."""

import re
from collections.abc import Iterator, Sequence

from ml.vision.screens.text.normalize_text import normalize_letters, normalize_text

_MAX_LINES = 3  # of a call that is split over lines
_BETWEEN = r"[^。]{0,50}?"

_SUM = r"(?:(?:[$€£¥]|usd|eur|rmb) ?\d+|\d+ ?(?:[$€£¥]|usd|eur|euros?|dollars?|rmb|k\b))"
_STARS = "[★⭐☆]{5}"
# For each language what is asked for, and what is paid; either may come first. A sum counts only
# with a word such as "get": shops show prices next to the number of reviews.
_LANGUAGES = {
    "zh": (
        rf"(?:[好5全][星评評]|5 ?星|5颗星|全5分|满分|晒[图圖单單买]|[追留写][评評]|[评評][价價]|[评評](?=[返反]|fan)|hao ?ping|带图|图评|買家秀|买家秀|{_STARS})",
        r"(?:返(?:现|現|利|还|钱|红包|(?=$|\W))|(?:反|fan)现|红包|紅包|现金(?!支付)|現金|[返奖獎送领領得赠补] ?\d+|\d+ ?元(?:红包|现金|奖|返)"
        r"|奖励|獎勵|免单|免單|礼品卡|京东卡|话费|回馈金|折现|全额返|fan ?xian)",
    ),
    "en": (
        rf"(?:(?:5|five)[ -]?stars?|\brev[i1]ews?\b|\b(?:positive|good) feedback\b|\brat(?:e us|ing)\b|{_STARS})",
        r"(?:g[i1]ft ?cards?|cash ?back|\bcash\b|\brefund|\breward|\brebate|\bvoucher|\bcoupon|\bpaypal|\bfree (?:gift|product|item)"
        rf"|\bget paid|\bwe pay|(?:get|receive|earn|win|claim|for|=) ?(?:an? |your )?(?:free )?{_SUM}|{_SUM} ?(?:for|gift|back|bonus))",
    ),
    "de": (
        r"(?:(?:5|funf)[ -]?sterne?|bewertung|rezension|bewerten)",
        rf"(?:gutschein|gratis|cashback|erstattung|geld zuruck|geschenk|pramie|(?:erhalt|bekomm|sicher|fur|=).{{0,12}}{_SUM}|{_SUM} fur)",
    ),
    "fr": (
        r"(?:(?:5|cinq) ?etoiles|\bavis\b|\bcommentaire)",
        rf"(?:cartes? cadeaux?|cadeau|rembours|bon d.?achat|recompense|(?:rece|obten|gagn|contre|=).{{0,12}}{_SUM}|{_SUM} (?:pour|contre|offert))",
    ),
    "es": (
        r"(?:(?:5|cinco) ?estrellas|resena|opinion|valoracion|calificacion|comentario)",
        rf"(?:tarjetas? (?:de )?regalo|regalo|reembols|cupon|dinero|efectivo|(?:recib|gan|obten|llev|por|=).{{0,12}}{_SUM}|{_SUM} por)",
    ),
    "pt": (
        r"(?:(?:5|cinco) ?estrelas|avaliac[ao]+)",
        rf"(?:vale.?presente|brinde|reembolso|cashback|cupom|\bpix\b|(?:ganh|receb|=).{{0,12}}(?:r\$ ?\d+|{_SUM}))",
    ),
    "it": (
        r"(?:(?:5|cinque) ?stelle|recensione)",
        rf"(?:buono|rimborso|regalo|(?:ricev|ottien|=).{{0,12}}{_SUM})",
    ),
    "ja": (r"(?:レビュー|口コミ|星5|高評価)", r"(?:プレゼント|クーポン|返金|キャッシュ|ギフト|\d+ ?円|進呈)"),
    "ko": (r"(?:리뷰|후기|별점)", r"(?:현금|캐시|쿠폰|적립|상품권|기프티콘|\d+ ?원|페이백)"),
    "ru": (r"(?:отзыв|5 ?звезд)", r"(?:к[эе]шб[эе]к|руб|подарок|возврат|денег|деньги)"),
    "th": (r"(?:รีวิว|5 ?ดาว)", r"(?:เงินคืน|บาท|ส่วนลด)"),
    "vi": (r"(?:danh gia|5 ?sao)", rf"(?:nhan (?:\w+ )?\d+|hoan tien|tang (?:qua|\d+)|nhan qua|{_SUM})"),
}  # fmt: skip


def _forms() -> Iterator[str]:
    for pair in _LANGUAGES.values():
        asked, paid = map(normalize_letters, pair)
        yield rf"{asked}{_BETWEEN}{paid}"
        yield rf"{paid}{_BETWEEN}{asked}"


_CALL = re.compile("|".join(_forms()), re.IGNORECASE)


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
