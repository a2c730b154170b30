"""Find phone numbers in a normalized line: after a keyword, or by the formats of countries."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import phonenumbers
from phonenumbers import Leniency, NumberParseException, PhoneNumberMatcher, PhoneNumberType

from ml.policy.screens import PHONE_REGIONS
from ml.vision.screens.text.normalize_text import digits_for_letters

_I = re.IGNORECASE
# Between two digits of a number: signs and spaces, but none of a price, a share or a time.
_GAP = r"(?:[^\w%$¥€£@]{1,3}|_{1,3})"  # between two digits: no sign of a price or a share
_RUN = re.compile(r"(?<![\d.])(?:\+ ?|00)?\(?\d+(?:[ .\-_*~,、·•()/]{1,3}\d+)*")
_PHONE_KEYWORD = re.compile(
    r"(?:(?<![a-z])(?:tele?|phones?|phone ?n(?:o|umber)|mobile|call|mob|cell?|text|sms|contact|ph|hp|telefono?|telephone"
    r"|telefon\w*|tlf|celular|movil|fone|fon|handy\w*|portable|ligue|llamam?e?|dien thoai|sdt|lien he|lh|hubungi|dt(?= ?:)"
    r"|тeл|teл|teлeфoh|зbohи|зboни|пoзboни)(?![a-z])"
    r"|电话|電話|手机|手機|热线|熱線|联系|聯繫|聯絡|致电|拨打|咨询|电联|打给|☎|☏|✆|📞|📱|📲"
    r"|전화|연락처?|휴대폰|핸드폰|携帯|でんわ|โทร|เบอร์)"
    r"[^\d+(]{0,8}[+(]?$",
    _I,
)  # fmt: skip
_KEYWORD_AFTER = re.compile(r"[^\w]{0,3}(?:call|text|sms|whats|联系|致电|致電|来电|來電|电话|电联)", _I)
_OTHER_NUMBER_KEYWORD = re.compile(
    r"(?:(?<![a-z])(?:order|no|s/?n|serial|lot|ref|invoice|item|sku|model|code|tracking|gst|reg|art|id|imei|ean|upc|isbn|fax"
    r"|vat|pat|batch|p/?n|nr|cas|ein|fda|barcode|awb|serie|\w*nummer|numero|gtin|gb|/t|iso|iec|din|astm|jis)"
    r"|订单|单号|编号|型号|货号|运单|条码|批号|流水|许可证|税号|账号|标准|备案|证号|专利|传真|快递|序列号|条形码|生产批"
    r"|番号|番號|代码|번호|หมายเลข)[^\d+(]{0,10}\(?$",
    _I,
)  # fmt: skip
_MIN_DIGITS_AFTER_KEYWORD = 7
_MIN_DIGITS_ABROAD = 10
_MIN_NATIONAL_DIGITS = 9
_MAX_DIGITS = 15  # E.164
_COUNTED = "01234567890123456789", "98765432109876543210"  # a ruler or a keyboard, no number

_DATE = re.compile(r"\d{1,2}([/.-])\d{1,2}\1(?:19|20)\d\d|(?:19|20)\d\d([/.-])\d{1,2}\2\d{1,2}")
_CHINESE_MOBILE = re.compile(
    rf"(?<!\d)(?<!\d[.,])(?:(?:\+|00|\()?86\)?{_GAP}?)?[(\[【]?(1{_GAP}?[3-9](?:{_GAP}?\d){{9}})"
    r"(?!\d|[.,]\d)"
)
# Usual groups of digits of such a number; others are lists of prices, sizes or dates.
_GROUPS = frozenset({
    *((11,), (3, 4, 4), (3, 3, 5), (4, 4, 3), (4, 3, 4), (3, 8), (7, 4), (5, 6), (6, 5), (4, 7), (5, 3, 3), (3, 5, 3)),
    *((3, 2, 2, 2, 2), (2, 3, 3, 3), (3, 2, 3, 3), (3, 3, 3, 2), (3, 4, 2, 2), (2, 2, 2, 2, 2, 1), (1,) * 11),
})  # fmt: skip
_LANDLINE = re.compile(
    r"(?<![\d.-])[(]?0(?:10|2\d|[3-9]\d{2})(?:[- ]|\) ?)[2-9]\d{2,3}[- ]?\d{4}(?![\d-])"
)

# Numbers at which a person or a shop answers; manufacturers print toll-free ones on packages.
_TYPES = {
    *(PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.FIXED_LINE_OR_MOBILE),
    *(PhoneNumberType.VOIP, PhoneNumberType.PERSONAL_NUMBER),
}
_TOLL_FREE = re.compile(r"(?:86)?[48]00\d{7}|0?120\d{6}|1?8(?:00|33|44|55|66|77|88)\d{7}|0[58]00\d{5,8}|1[56]\d{6}")


def find_phone_numbers(line: str, regions: Sequence[str] = PHONE_REGIONS) -> Iterator[str]:
    """Phone numbers in a normalized line: digits, after a + if they have one.

    Mobile numbers and landlines of China, numbers after a keyword, international numbers, and
    numbers as they are written in `regions` (ISO 3166 codes of two letters).
    """
    line = digits_for_letters(line)
    yield from _chinese_mobiles(line)
    for match in _RUN.finditer(line):
        before, after = line[: match.start()], line[match.end() :]
        if _is_phone(match.group(), before, after, tuple(regions)):
            sign = "+" if match.group().startswith("+") else ""
            yield sign + _digits(match.group())
    for match in _LANDLINE.finditer(line):
        if not _OTHER_NUMBER_KEYWORD.search(line[: match.start()]):
            yield _digits(match.group())


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


def _chinese_mobiles(line: str) -> Iterator[str]:
    for match in _CHINESE_MOBILE.finditer(line):
        before, after = line[: match.start()], line[match.end() :]
        groups = re.findall(r"\d+", match[1])
        grouped = len(groups) > 1
        if (
            tuple(map(len, groups)) in _GROUPS
            and not _are_prices(groups)
            and not (grouped and (re.search(r"\d[ \-/]$", before) or re.match(r"[ \-/]\d", after)))
            and not _OTHER_NUMBER_KEYWORD.search(before)
            and not _is_part_of_word(before, after)
            and not re.search(r"[-.]$", before)
        ):
            yield ("+86" if "+" in match.group() else "") + "".join(groups)


def _are_prices(groups: list[str]) -> bool:
    """Whether groups of digits are prices or sizes: 199 1299 1399, 180 2000 2200."""
    return len(groups) == 3 and {group[-1] for group in groups} <= {"0", "9"}


def _is_phone(run: str, before: str, after: str, regions: tuple[str, ...]) -> bool:
    digits = _digits(run)
    if _TOLL_FREE.fullmatch(digits) or len(digits) > _MAX_DIGITS or _DATE.match(run):
        return False
    if _PHONE_KEYWORD.search(before) or _KEYWORD_AFTER.match(after):
        return _MIN_DIGITS_AFTER_KEYWORD <= len(digits) and not after.startswith("%")
    if _OTHER_NUMBER_KEYWORD.search(before) or _is_part_of_word(before, after):
        return False
    if run.startswith("+"):
        return len(digits) >= _MIN_DIGITS_ABROAD and _is_possible(digits)
    return _is_national(run, digits, regions)


def _is_national(run: str, digits: str, regions: tuple[str, ...]) -> bool:
    """Whether a run of digits is written as a phone number of one of the regions."""
    groups = re.findall(r"\d+", run)
    return (
        len(digits) >= _MIN_NATIONAL_DIGITS + (len(groups) < 3)
        and (len(groups) > 1 or digits.startswith("0"))
        and groups[0] != "0"
        and not _are_prices(groups)
        and not any(digits in counted for counted in _COUNTED)
        and any(_is_written_as_in(region, "-".join(groups)) for region in regions)
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


@lru_cache(maxsize=4096)
def _is_written_as_in(region: str, number: str) -> bool:
    """Whether groups of digits are a number of a region, in the groups that are usual there."""
    matches = PhoneNumberMatcher(number, region, Leniency.STRICT_GROUPING)
    return any(
        match.raw_string == number and phonenumbers.number_type(match.number) in _TYPES
        for match in matches
    )
