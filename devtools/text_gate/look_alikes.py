"""Write the table of letters that look like Latin ones or digits, from the spoof checker of ICU.

`python -m devtools.text_gate.look_alikes` needs ICU's shared library (Debian: libicu72), which has
Unicode's confusables.txt; the table names the version of Unicode.
"""

import ctypes
import ctypes.util
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from ml.vision.screens.text.normalize_text import LOOK_ALIKES, latin_letter

# Scripts whose letters sellers put into Latin words. Of the others (Hebrew, Arabic, Hangul,
# Kanji ...) single strokes and circles would become letters in honest text.
_SCRIPTS = ("ARMENIAN", "CANADIAN", "CHEROKEE", "COPTIC", "CYRILLIC", "GREEK", "LATIN", "LISU")
_PLAIN = re.compile("LATIN (?:(?:SMALL|CAPITAL) LETTER|LETTER SMALL CAPITAL) [A-Z]|DIGIT [A-Z]+")
_VERSION_BYTES = 4  # UVersionInfo

Skeleton = Callable[[str], str]


def load_icu() -> tuple[str, Skeleton]:
    """The version of Unicode, and the function that returns the skeleton of a text.

    Raises:
        RuntimeError: ICU is not installed, or could not open its spoof checker.
    """
    path = ctypes.util.find_library("icui18n")
    found = re.search(r"\d+$", path or "")
    if path is None or found is None:
        raise RuntimeError("ICU is missing: apt-get install libicu72, or another version")
    library, suffix = ctypes.CDLL(path), found.group()
    common = ctypes.CDLL(path.replace("icui18n", "icuuc"))
    version = (ctypes.c_uint8 * _VERSION_BYTES)()
    getattr(common, f"u_getUnicodeVersion_{suffix}")(version)
    status = ctypes.c_int(0)
    open_checker = getattr(library, f"uspoof_open_{suffix}")
    open_checker.restype = ctypes.c_void_p
    checker = ctypes.c_void_p(open_checker(ctypes.byref(status)))
    if status.value > 0:
        raise RuntimeError(f"ICU could not open its spoof checker: error {status.value}")
    get_skeleton = getattr(library, f"uspoof_getSkeletonUTF8_{suffix}")

    def skeleton(text: str) -> str:
        data, buffer = text.encode(), ctypes.create_string_buffer(64)
        error = ctypes.c_int(0)
        size = get_skeleton(checker, 0, data, len(data), buffer, 64, ctypes.byref(error))
        return buffer.raw[:size].decode() if error.value <= 0 else text

    return f"{version[0]}.{version[1]}", skeleton


def find_look_alikes(skeleton: Skeleton) -> dict[str, str]:
    """For each Latin letter and digit, the letters of other scripts that look like it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for character in map(chr, range(0x80, sys.maxunicode + 1)):
        is_letter = unicodedata.category(character).startswith("L")
        if not is_letter or not unicodedata.name(character, "").startswith(_SCRIPTS):
            continue
        seen = skeleton(character)
        name = unicodedata.name(seen, "") if len(seen) == 1 else ""
        # A small letter that looks like a digit (б) would not be found by its capital.
        small_digit = seen.isdigit() and character.islower()
        if _PLAIN.fullmatch(name) and not latin_letter(character) and not small_digit:
            found[latin_letter(seen) or seen].append(character)
    _add_lower_case(found)
    return {latin: "".join(found[latin]) for latin in sorted(found)}


def _add_lower_case(found: dict[str, list[str]]) -> None:
    """Add small letters whose capital looks like a Latin one: the letters of a Cyrillic name."""
    known = {character for others in found.values() for character in others}
    for latin in [letter for letter in found if not letter.islower()]:
        small = {character.lower() for character in found[latin]} - known - set(found[latin])
        found[latin.lower()] += sorted(c for c in small if len(c) == 1 and not latin_letter(c))


def write_table(path: Path) -> None:
    """Write the table: a line with the version, then for each Latin letter its look-alikes."""
    version, skeleton = load_icu()
    lines = [f"{latin} {others}" for latin, others in find_look_alikes(skeleton).items()]
    path.write_text("\n".join([f"# Unicode {version}", *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    write_table(LOOK_ALIKES)
