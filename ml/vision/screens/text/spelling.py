"""Patterns of names as sellers disguise them: signs between the letters, digits for letters."""

import re

from ml.vision.screens.text.normalize_text import normalize_letters

_NOISE = r"(?:[^\w:,;@]|_){0,2}"
_MIN_LOOSE_LETTERS = 5  # of a name, from which digits and signs for its letters count: te1egram
_LOOSE = {
    "a": "[a@4]",
    "c": "[c(]",
    "e": "[e3]",
    "g": "[gq9]",
    "o": "[o0]",
    "s": "[s5$]",
    **dict.fromkeys("il", "[il1|!]"),
}
_OFTEN_READ = {letter: _LOOSE[letter] for letter in "il"}  # as each other, in words of any length


def any_name(names: tuple[str, ...]) -> str:
    """A pattern of names with signs between the letters; a Latin name begins a word.

    In a name, letters in brackets are alternatives, and a question mark makes one optional.
    """
    # The capital of a letter that looks Latin may not: ТГ and тг become different letters.
    cases = [name for n in names for name in ((n,) if n.isascii() else (n, n.upper()))]
    return one_of(*dict.fromkeys(_spelled(normalize_letters(name)) for name in cases))


def _spelled(name: str) -> str:
    name, _, ahead = name.partition("(?")
    atoms = re.findall(r"(?:\[[^\]]+\]|.)\??", name)
    loose = _LOOSE if len(atoms) >= _MIN_LOOSE_LETTERS else _OFTEN_READ
    letters = _NOISE.join(loose.get(atom.lower(), atom) for atom in atoms)
    before = r"(?<![a-z\d.])" if name[0].isascii() and name[0] != "[" else ""
    return before + letters + (f"(?{ahead}" if ahead else "")


def one_of(*forms: str) -> str:
    """A pattern of alternatives; each form may hold several, separated by a vertical bar."""
    return f"(?:{'|'.join(forms)})"
