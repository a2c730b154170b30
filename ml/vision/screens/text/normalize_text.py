"""Normalize a line of recognized text, so that one rule finds all spellings of a contact detail.

Pure functions, linear in the length of the line, without errors for any text.
"""

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

LOOK_ALIKES = Path(__file__).with_name("look_alikes.txt")  # `devtools.text_gate.look_alikes`
# No recognized line is longer: letters in a picture of 800 pixels are read from 4 pixels of width.
MAX_LINE_LENGTH = 400

_DIGITS = dict(
    zip("〇○◯零一二三四五六七八九壹贰叁肆伍陆柒捌玖", "0000123456789123456789", strict=True),
    幺="1",
    貳="2",
    參="3",
    陸="6",
)
_SIGNS = {
    **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    **dict.fromkeys("∶︰꞉：→➡⇒➔➜➤►▶☞👉⟶", ":"),
    **dict.fromkeys("❌✖✕×✗✘☓╳", "x"),
}
# Latin letters in circles, squares, flags, small capitals ... that NFKC does not decompose.
_LATIN_NAME = re.compile(
    r"(?:.*\bLATIN|REGIONAL INDICATOR SYMBOL)\b.* (?:LETTER|CAPITAL) ([A-Z])(?: WITH [A-Z ]+)?"
)
_COMBINING = re.compile("[\u0300-\u036f\u20d0-\u20ff\ufe00-\ufe0f]")
_SPACES = re.compile(r"\s+")
_HAN = "[\u3400-\u9fff]"
_SPACED = re.compile(rf"(?<!\S)[^\s:](?: [^\s:]){{4,}}(?!\S)|(?<!\S)(?:{_HAN}|\d)(?: {_HAN}){{2,}}")

# Suffixes that are read as such when the dot before them is spelt out or has spaces around it.
_SUFFIX = (
    "(?:com|net|org|cn|xyz|top|vip|shop|store|club|cc|co|io|site|online|me|info|ly|ee|gg|ai|bio"
    "|link|de|ru|uk|jp)"
)
_SPELT_DOT = re.compile(
    rf" ?[(\[{{<] ?(?:dot|点|\.) ?[)\]}}>] ?(?=[a-z])"
    rf"|(?:(?<=[a-z\d]) ?[点點。]|(?<!\bthe) dot|(?<=[a-z\d]) \.) ?(?={_SUFFIX}(?![a-z]))",
    re.IGNORECASE,
)
_SPACED_DOT = re.compile(
    r"(?<=[a-z\d])(?: ?\. | \.| ?[,·•*] ?)(?=(?:c[o0]m|net|org|cn)(?![a-z]))", re.IGNORECASE
)
_SPELT_AT = re.compile(
    r" ?[(\[{<] ?(?:at|a|@|艾特) ?[)\]}>] ?|(?<=[a-z\d]) ?艾特 ?(?=[a-z\d])"
    r"|(?<=[a-z\d]) at (?=[a-z\d-]+ ?[(\[]?dot)|(?<=\w)#(?=[a-z\d-]+\.com)",
    re.IGNORECASE,
)

# A letter that looks like a digit is replaced only between digits (or before the 3 to 9 that
# follows the 1 of a Chinese mobile number), so that words and sizes (XL, 5l) stay unchanged.
_ZERO = re.compile(
    r"(?<=\d)[oO]+(?=[ .\-]?\d)|(?<=\d[ .\-])[oO]+(?=[lI|]?\d)|(?<=\d)[oO]{2,}(?![a-zA-Z])"
)
_ONE = re.compile(r"(?<=\d)[lI|](?=[ .\-]?\d)|(?<![a-zA-Z\d])[lI|](?=[3-9][\doO])")
_SPOKEN = str.maketrans("洞拐勾两", "0792")  # digits as they are spoken over radio
_SPOKEN_RUN = re.compile(r"(?<=\d)[洞拐勾两\d]+")
_LIKE_DIGITS = str.maketrans("oOQDlI|iZzSsBbGgq", "00001111225588699")
# As long as a Chinese mobile number, and mostly digits.
_LIKE_MOBILE = re.compile(
    r"(?<![A-Za-z\d])(?=(?:[^\d]{0,3}\d){7})[1lI|i](?:[ .\-]?[\doOQDlI|iZzSsBbGgq]){10}"
    r"(?![A-Za-z\d])"
)


def normalize_text(text: str) -> str:
    """One line of text without obfuscations that are unambiguous, of at most `MAX_LINE_LENGTH`.

    Applies NFKC, and replaces letters by the Latin ones that they look like (without accents),
    numerals of any script by digits, and a spelt "dot" or "at" by its sign. Removes what is not
    visible, and the spaces of a word that is set letter by letter.
    """
    digits = "".join(map(_digit, text[:MAX_LINE_LENGTH]))
    text = _SPACES.sub(" ", normalize_letters(digits)[:MAX_LINE_LENGTH]).strip()
    text = _SPACED.sub(_join_letters, text)
    return _SPACED_DOT.sub(".", _SPELT_DOT.sub(".", _SPELT_AT.sub("@", text)))


def normalize_letters(text: str) -> str:
    """Apply NFKC, replace letters by the Latin ones that they look like, remove the invisible."""
    return "".join(map(_letter, unicodedata.normalize("NFKC", text)))


def digits_for_letters(text: str) -> str:
    """Replace letters between digits that look like digits; only for the search of numbers."""
    previous = ""
    while previous != text:
        previous = text
        text = _ZERO.sub(lambda match: "0" * len(match.group()), _ONE.sub("1", text))
    text = _SPOKEN_RUN.sub(lambda match: match.group().translate(_SPOKEN), text)
    return _LIKE_MOBILE.sub(lambda match: match.group().translate(_LIKE_DIGITS), text)


def _digit(character: str) -> str:
    """The character, or the digit that it stands for, before NFKC makes "1." of "⒈"."""
    if character in _DIGITS:
        return _DIGITS[character]
    if character.isascii():
        return character
    digit = unicodedata.digit(character, None)
    return character if digit is None else str(digit)


@lru_cache(maxsize=8192)
def _letter(character: str) -> str:
    """The character, or the Latin letter or sign that it looks like; nothing if it is invisible."""
    if character.isascii():
        return character if character.isprintable() or character.isspace() else ""
    if character in _SIGNS:
        return _SIGNS[character]
    if unicodedata.category(character) in {"Cf", "Cc", "Cs", "Co"} or _COMBINING.match(character):
        return ""
    return latin_letter(character) or _look_alikes().get(character, character)


def latin_letter(character: str) -> str:
    """The Latin letter that a character is by its decomposition or name; empty if it is none."""
    base = unicodedata.normalize("NFD", character)[0]
    if base.isascii() and base.isalpha():
        return base
    name = unicodedata.name(character, "")
    named = _LATIN_NAME.fullmatch(name)
    if named is None:
        return ""
    return named[1].lower() if "SMALL" in name else named[1]


@lru_cache(maxsize=1)
def _look_alikes() -> dict[str, str]:
    """Each letter of another script with the Latin letter that it looks like."""
    _, *lines = LOOK_ALIKES.read_text(encoding="utf-8").splitlines()
    return {other: latin for latin, others in map(str.split, lines) for other in others}


def _join_letters(match: re.Match[str]) -> str:
    text = match.group()
    return text.replace(" ", "") if re.search(r"[^\W\d]", text) else text
