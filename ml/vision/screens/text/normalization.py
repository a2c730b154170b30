"""Normalize text: full-width, invisible, spelled-out and look-alike characters."""

import re
import unicodedata

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
