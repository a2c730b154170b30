"""Find phone numbers in a normalized line: after a keyword, or by the formats of countries."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import phonenumbers
from phonenumbers import Leniency, NumberParseException, PhoneNumberMatcher, PhoneNumberType

from ml.policy.screens import PHONE_REGIONS
from ml.vision.screens.text.normalize_text import digits_for_letters, normalize_letters
from ml.vision.screens.text.spelling import one_of

_I = re.IGNORECASE
_GAP = r"(?:[^\w%$¥€£@]{1,3}|_{1,3})"  # between two digits: no sign of a price or a share
_RUN = re.compile(r"(?<![\d.])(?:\+ ?|00)?\(?\d+(?:[ .\-_*~,、·•()/]{1,3}\d+)*")
_LATIN_KEYWORDS = one_of(
    "tele?|phones?|phone ?n(?:o|umber)|mobile|call|mob|cell?|text|sms|contact|ph|hp|telephone",
    r"telefono?|telefon\w*|tlf|celular|movil|fone|fon|handy\w*|portable|ligue|llamam?e?|sdt|lh",
    "dien thoai|lien he|hubungi|dt(?= ?:)",
    normalize_letters("тел|телефон|звони|звоните|позвони"),
)
_PHONE_KEYWORD = re.compile(
    rf"(?:(?<![a-z]){_LATIN_KEYWORDS}(?![a-z])"
    "|电话|電話|手机|手機|热线|熱線|联系|聯繫|聯絡|致电|拨打|咨询|电联|打给|☎|☏|✆|📞|📱|📲"
    "|전화|연락처?|휴대폰|핸드폰|携帯|でんわ|โทร|เบอร์)"
    r"[^\d+(]{0,8}[+(]?$",
    _I,
)
_KEYWORD_AFTER = re.compile(
    r"[^\w]{0,3}(?:call|text|sms|whats|联系|致电|致電|来电|來電|电话|电联)", _I
)
_UNIT = re.compile(r" ?(?:%|(?:mah|wh|hz|mm|cm|kg|ml|gb|mb)(?![a-z\d]))", _I)  # Cell 18650 2600mAh
_OTHER_LATIN_KEYWORDS = one_of(
    r"order|no|s/?n|p/?n|nr|serial|serie|lot|batch|ref|invoice|item|sku|model|code|barcode|art",
    r"tracking|awb|id|imei|ean|gtin|upc|isbn|\w*nummer|numero|fax|gst|vat|ein|reg|pat|cas|fda",
    "gb|/t|iso|iec|din|astm|jis",
)
_OTHER_KEYWORD = re.compile(
    rf"(?:(?<![a-z]){_OTHER_LATIN_KEYWORDS}"
    "|订单|单号|编号|型号|货号|运单|条码|条形码|批号|批次|合格证|卡号|车架号|序号|生产批|流水|序列号|快递|账号|代码|传真"
    "|许可证|税号|标准|备案|证号|专利|番号|番號|번호|หมายเลข)"
    r"[^\d+(]{0,10}\(?$",
    _I,
)
_MAX_BEFORE = 40  # characters before a number in which its keyword is looked for
_MIN_DIGITS_AFTER_KEYWORD = 7
_MIN_DIGITS_ABROAD = 10
_MIN_NATIONAL_DIGITS = 9
_PRICE_GROUPS = 3
_MAX_DIGITS = 15  # E.164
_COUNTED = "01234567890123456789", "98765432109876543210"  # a ruler or a keyboard, no number

_DATE = re.compile(r"\d{1,2}([/.-])\d{1,2}\1(?:19|20)\d\d|(?:19|20)\d\d([/.-])\d{1,2}\2\d{1,2}")
_CHINESE_MOBILE = re.compile(
    rf"(?<!\d)(?<!\d[.,])(?:(?:\+|00|\()?86\)?{_GAP}?)?[(\[【]?(1{_GAP}?[3-9](?:{_GAP}?\d){{9}})"
    r"(?!\d|[.,]\d)"
)
# Usual groups of digits of such a number; others are lists of prices, sizes or dates.
_GROUPS = frozenset({
    *((11,), (3, 4, 4), (3, 3, 5), (4, 4, 3), (4, 3, 4), (3, 8), (7, 4), (5, 6), (6, 5), (4, 7)),
    *((5, 3, 3), (3, 5, 3), (2, 3, 3, 3), (3, 2, 3, 3), (3, 3, 3, 2), (3, 4, 2, 2)),
    *((3, 2, 2, 2, 2), (2, 2, 2, 2, 2, 1), (1,) * 11),
})  # fmt: skip
_LANDLINE = re.compile(
    r"(?<![\d.-])[(]?0(?:10|2\d|[3-9]\d{2})(?:[- ]|\) ?)[2-9]\d{2,3}[- ]?\d{4}(?![\d-])"
)

# Numbers at which a person or a shop answers; manufacturers print toll-free ones on packages.
_TYPES = {
    *(PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.FIXED_LINE_OR_MOBILE),
    *(PhoneNumberType.VOIP, PhoneNumberType.PERSONAL_NUMBER),
}
_TOLL_FREE = re.compile(
    r"(?:86)?[48]00\d{7}|0?120\d{6}|1?8(?:00|33|44|55|66|77|88)\d{7}|0[58]00\d{5,8}|1[56]\d{6}"
)


def find_phone_numbers(line: str, regions: Sequence[str] = PHONE_REGIONS) -> Iterator[str]:
    """Phone numbers in a normalized line: digits, after a + if they have one.

    Mobile numbers and landlines of China, numbers after a keyword, international numbers, and
    numbers as they are written in `regions` (ISO 3166 codes of two letters).
    """
    line = digits_for_letters(line)
    if "CN" in regions:
        yield from _chinese_numbers(line)
    for match in _RUN.finditer(line):
        if _is_phone(match.group(), *_around(match), tuple(regions)):
            sign = "+" if match.group().startswith("+") else ""
            yield sign + _digits(match.group())


def find_split_mobile(lines: Sequence[str]) -> Iterator[str]:
    """The Chinese mobile number that fills neighboring lines, if they hold nothing else."""
    parts = [digits_for_letters(line) for line in lines]
    first, *rest = parts
    first = first[len(first.rstrip("0123456789 -.()/")) :]  # a word may come before: "加V138 1234"
    if all(re.fullmatch(r"[\d \-.()/]+", part) for part in (first, *rest)):
        groups = [_digits(part) for part in (first, *rest)]
        number = "".join(groups)
        if re.fullmatch(r"1[3-9]\d{9}", number) and all(groups) and not _are_prices(groups):
            yield number


def ends_with_phone_keyword(line: str) -> bool:
    """Whether a number at the beginning of the next line is a phone number."""
    return bool(_PHONE_KEYWORD.search(f"{line} "))


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _around(match: re.Match[str]) -> tuple[str, str]:
    """What stands before and after a match, as far as it says what a number is."""
    before = match.string[max(0, match.start() - _MAX_BEFORE) : match.start()]
    return before, match.string[match.end() : match.end() + _MAX_BEFORE]


def _chinese_numbers(line: str) -> Iterator[str]:
    for match in _CHINESE_MOBILE.finditer(line):
        groups = re.findall(r"\d+", match[1])
        if _is_chinese_mobile(groups, *_around(match)):
            yield ("+86" if "+" in match.group() else "") + "".join(groups)
    for match in _LANDLINE.finditer(line):
        if not _OTHER_KEYWORD.search(_around(match)[0]):
            yield _digits(match.group())


def _is_chinese_mobile(groups: list[str], before: str, after: str) -> bool:
    if tuple(map(len, groups)) not in _GROUPS or _are_prices(groups):
        return False
    in_list = re.search(r"\d[ \-/]$", before) or re.match(r"[ \-/]\d", after)
    if (len(groups) > 1 and in_list) or before.endswith(("-", ".")):
        return False
    return not _OTHER_KEYWORD.search(before) and not _is_part_of_word(before, after)


def _are_prices(groups: list[str]) -> bool:
    """Whether groups of digits are prices or sizes: 199 1299 1399, 180 2000 2200."""
    begin_with_zero = any(group.startswith("0") for group in groups)
    ends = {group[-1] for group in groups}
    return len(groups) == _PRICE_GROUPS and not begin_with_zero and ends <= set("089")


def _is_phone(run: str, before: str, after: str, regions: tuple[str, ...]) -> bool:
    digits = _digits(run)
    if _TOLL_FREE.fullmatch(digits) or len(digits) > _MAX_DIGITS or _DATE.match(run):
        return False
    if _PHONE_KEYWORD.search(before) or _KEYWORD_AFTER.match(after):
        return len(digits) >= _MIN_DIGITS_AFTER_KEYWORD and not _UNIT.match(after)
    if _OTHER_KEYWORD.search(before) or _is_part_of_word(before, after):
        return False
    if run.startswith("+"):
        return len(digits) >= _MIN_DIGITS_ABROAD and _is_possible(digits)
    if re.match(r"00[1-9]\d{0,2}\D", run) and _is_possible(digits.removeprefix("00")):
        return len(digits) > _MIN_DIGITS_ABROAD
    return _is_national(run, digits, regions)


def _is_national(run: str, digits: str, regions: tuple[str, ...]) -> bool:
    """Whether a run of digits is written as a phone number of one of the regions."""
    groups = re.findall(r"\d+", run)
    return (
        len(digits) >= _MIN_NATIONAL_DIGITS + (len(groups) < _PRICE_GROUPS)
        and (len(groups) > 1 or digits.startswith("0"))
        and groups[0] != "0"
        and not _are_prices(groups)
        and not any(digits in counted for counted in _COUNTED)
        and _is_answered("-".join(groups), regions)
    )


def _is_part_of_word(before: str, after: str) -> bool:
    """Whether the number is part of a longer word, such as a model or serial number."""
    return bool(re.search(r"[a-zA-Z]$", before) or re.match(r"[a-zA-Z:%/]\w", after))


@lru_cache(maxsize=1024)
def _is_possible(digits: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(f"+{digits}", None))
    except NumberParseException:
        return False


def _is_answered(number: str, regions: tuple[str, ...]) -> bool:
    """Whether a region has the number, and none of them as one that manufacturers print."""
    # China has rules of its own: without the leading 0 its area codes are those of other countries.
    types = {_type_in(region, number) for region in regions if region != "CN"}
    return bool(types & _TYPES) and PhoneNumberType.TOLL_FREE not in types


@lru_cache(maxsize=4096)
def _type_in(region: str, number: str) -> int:
    """The type of groups of digits as a number of a region, in the groups that are usual there."""
    matches = PhoneNumberMatcher(number, region, Leniency.STRICT_GROUPING)
    found = [match.number for match in matches if match.raw_string == number]
    return phonenumbers.number_type(found[0]) if found else PhoneNumberType.UNKNOWN
