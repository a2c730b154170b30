"""Text screen with the real OCR: gate, contact details and pages."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

from ml.core.types import ScreenStatus
from ml.policy.screens import TextScreen
from ml.vision.screens.text.gate import text_likelihood
from ml.vision.screens.text.ocr import TextReader
from ml.vision.screens.text.screen import (
    is_unread,
    likelihood_of,
    screen_likelihood,
    screen_text,
)
from tests.unit.vision.images.pictures import photo
from tests.unit.vision.screens.conftest import with_text

PAGE = ["the parcel never arrived and", "I want my money back now", "please wait 2 more days"] * 3


def test_screen_text_fires_with_the_kind_of_contact(reader: TextReader) -> None:
    outcome = screen_text(with_text("FREE GIFT", "WeChat: lucky_mei77"), reader)
    assert (outcome.fired, outcome.reason) == (True, "contact:wechat")
    assert outcome.evidence["contacts"][0]["kind"] == "wechat"
    json.dumps(outcome.evidence, allow_nan=False)


def test_screen_text_fires_text_dominated_on_a_page(reader: TextReader) -> None:
    outcome = screen_text(with_text(*PAGE, size=30), reader)
    assert (outcome.fired, outcome.reason) == (True, "text_dominated")
    assert outcome.value is not None
    assert outcome.value > 0.15


def test_screen_text_keeps_a_few_letters_as_evidence(reader: TextReader) -> None:
    outcome = screen_text(with_text("SUNDAY CLUB", size=30), reader)
    assert outcome.fired is False
    assert [line["text"].replace(" ", "") for line in outcome.evidence["lines"]] == ["SUNDAYCLUB"]


def test_screen_text_fires_on_overlays_that_the_rules_enable(
    reader: TextReader,
) -> None:
    marked = with_text("PHOTOBANK")
    assert screen_text(marked, reader).reason == "watermark"
    rules = TextScreen(overlays=("promotion",))
    outcome = screen_text(marked, reader, rules)
    assert outcome.fired is False
    assert outcome.evidence["overlays"] == [{"kind": "watermark", "text": "PHOTOBANK"}]
    own = TextScreen(allowed=(re.compile("PHOTOBANK"),))
    assert screen_text(marked, reader, own).evidence["overlays"] == []


def test_screen_text_reports_a_contact_before_a_promotion(reader: TextReader) -> None:
    outcome = screen_text(with_text("CLICK THE LINK", "VX: mei77"), reader)
    assert outcome.reason == "contact:wechat"
    assert [overlay["kind"] for overlay in outcome.evidence["overlays"]] == ["promotion"]


def test_reading_stops_at_a_contact_detail_and_says_how_many_lines_there_are(
    reader: TextReader,
) -> None:
    outcome = screen_text(with_text("WeChat: lucky_mei77", "ask me", "any day"), reader)
    assert len(outcome.evidence["lines"]) == 1
    assert outcome.evidence["lines_found"] == 3


def test_page_with_a_contact_detail_remains_a_page(reader: TextReader) -> None:
    lines = [*PAGE, "please add WeChat: lucky_mei77"]
    outcome = screen_text(with_text(*lines, size=28), reader)
    assert outcome.reason == "contact:wechat"
    assert len(outcome.evidence["lines"]) < outcome.evidence["lines_found"]
    assert outcome.evidence["dense"] is True


def test_few_lines_are_read_of_a_page_without_a_contact_detail(reader: TextReader) -> None:
    outcome = screen_text(with_text(*PAGE, size=30), reader)
    assert outcome.reason == "text_dominated"
    assert len(outcome.evidence["lines"]) <= 4 < outcome.evidence["lines_found"]


def test_screen_text_fires_on_a_paid_review_if_the_rules_enable_it(reader: TextReader) -> None:
    card = with_text("CASHBACK FOR 5 STARS")
    assert screen_text(card, reader).reason == "review_for_cash"
    rules = TextScreen(overlays=("promotion",))
    assert screen_text(card, reader, rules).fired is False


def test_screen_text_reads_phone_numbers_as_the_regions_write_them(reader: TextReader) -> None:
    banner = with_text("415-555-0132")
    found = screen_text(banner, reader, TextScreen(phone_regions=("US",)))
    assert found.reason == "contact:phone"
    assert not screen_text(banner, reader, TextScreen(phone_regions=("CN",))).fired


def test_screen_text_ignores_allowed_contacts(reader: TextReader) -> None:
    banner = with_text("www.shop.example")
    rules = TextScreen(allowed=(re.compile(r"www\.shop\.example"),))
    assert screen_text(banner, reader).reason == "contact:url"
    assert screen_text(banner, reader, rules).fired is False


def test_screen_text_does_not_read_a_photo_without_text(reader: TextReader) -> None:
    outcome = screen_text(photo(640, 480), reader)
    assert outcome.fired is False
    assert outcome.evidence["read"] is False


def test_screen_likelihood_reads_nothing_and_leaves_likely_text_unread() -> None:
    outcome = screen_likelihood(with_text("WeChat: lucky_mei77"))
    assert (outcome.state, outcome.fired, outcome.reason) == (ScreenStatus.NOT_RUN, None, "budget")
    assert is_unread(outcome)
    assert likelihood_of(outcome) > TextScreen().min_text_likelihood
    assert not is_unread(screen_likelihood(photo(640, 480)))


def test_screen_text_is_thread_safe(reader: TextReader) -> None:
    banners = [with_text(f"QQ 1234{number}678") for number in range(6)]
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda banner: screen_text(banner, reader), banners))
    read = [outcome.evidence["contacts"][0]["text"] for outcome in outcomes]
    assert [text.replace(" ", "") for text in read] == [f"QQ1234{n}678" for n in range(6)]


def test_text_likelihood_separates_letters_from_a_photo() -> None:
    assert text_likelihood(with_text("hello there", size=24)) > 0.3
    assert text_likelihood(photo(640, 480)) < 0.1
