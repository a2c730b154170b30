"""Patterns of disguised names."""

import re

import pytest

from ml.vision.screens.text.spelling import any_name, one_of


@pytest.mark.parametrize(
    "text", ["telegram", "te1egr@m", "t.e.l.e.g.r.a.m", "TeleGram", "te_legram"]
)
def test_name_is_found_with_signs_and_digits_for_letters(text: str) -> None:
    assert re.search(any_name(("telegram",)), text, re.IGNORECASE)


@pytest.mark.parametrize("text", ["xtelegram", "tele:gram", "telegra"])
def test_other_words_are_not_the_name(text: str) -> None:
    assert not re.search(any_name(("telegram",)), text, re.IGNORECASE)


def test_short_name_takes_no_digits_for_letters_but_those_that_are_read_so() -> None:
    assert re.search(any_name(("ig",)), "1g")
    assert not re.search(any_name(("fb",)), "f8")


def test_brackets_are_alternatives_and_a_question_mark_makes_a_letter_optional() -> None:
    name = any_name(("[微威]信号?",))
    assert re.fullmatch(name, "威❤信")
    assert re.fullmatch(name, "微信号")
    assert not re.search(name, "信号")


def test_one_of_joins_alternatives() -> None:
    assert re.fullmatch(one_of("a|b", "c"), "c")
