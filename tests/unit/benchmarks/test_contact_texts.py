from pathlib import Path

import pytest

from benchmarks.contact_texts import find_reasons, is_raised, is_right, load_tables, main

CONTACTS = """kind,text,expected
messenger,m.me/luckydeals36,messenger|facebook
phone_cn,138 1234\\\\n5678,phone
wechat,Cotton,wechat
"""
HONEST = """kind,text
size,S M L
doubtful_url,www.example-maker.com
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contact_texts.csv").write_text(CONTACTS.replace("\\\\", "\\"), encoding="utf-8")
    (tmp_path / "honest_texts.csv").write_text(HONEST, encoding="utf-8")
    return tmp_path


def test_kinds_of_the_table_are_reasons_of_the_screen(folder: Path) -> None:
    contacts, honest = load_tables(folder)
    assert [is_right(text) for text in contacts] == [True, True, False]
    assert [is_raised(text) for text in honest] == [False, True]


def test_lines_of_a_text_are_those_of_one_photo() -> None:
    assert find_reasons("好评\\n返现") == {"review_for_cash"}


def test_report_prints_shares_by_kind(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(folder, list_wrong=True)
    printed = capsys.readouterr().out
    assert "66.7 % (9.4-99.2, n 3)" in printed
    assert "0.0 % (0.0-97.5, n 1)" in printed
    assert "wechat: Cotton []" in printed
