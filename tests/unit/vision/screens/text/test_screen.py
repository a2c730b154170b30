"""Text screen with the real OCR: gate, contact details, pages and budget."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

from ml.core.budget import Budget
from ml.core.types import ScreenStatus
from ml.policy.screens import TextScreen
from ml.vision.screens.text.gate import OcrScheduler, text_likelihood
from ml.vision.screens.text.ocr import TextReader
from ml.vision.screens.text.screen import screen_text
from tests.unit.vision.images.pictures import photo
from tests.unit.vision.screens.conftest import with_text

PAGE = ["the parcel never arrived and", "I want my money back now", "please wait 2 more days"] * 3


def test_screen_text_fires_with_the_kind_of_contact(reader: TextReader) -> None:
    outcome = screen_text(
        with_text("FREE GIFT", "WeChat: lucky_mei77"), reader, OcrScheduler(Budget(60))
    )
    assert (outcome.fired, outcome.reason) == (True, "contact:wechat")
    assert outcome.evidence["contacts"][0]["kind"] == "wechat"
    json.dumps(outcome.evidence, allow_nan=False)


def test_screen_text_fires_text_dominated_on_a_page(reader: TextReader) -> None:
    outcome = screen_text(with_text(*PAGE, size=30), reader, OcrScheduler(Budget(60)))
    assert (outcome.fired, outcome.reason) == (True, "text_dominated")
    assert outcome.value is not None
    assert outcome.value > 0.15


def test_screen_text_keeps_a_few_letters_as_evidence(reader: TextReader) -> None:
    outcome = screen_text(with_text("SUNDAY CLUB", size=30), reader, OcrScheduler(Budget(60)))
    assert outcome.fired is False
    assert [line["text"].replace(" ", "") for line in outcome.evidence["lines"]] == ["SUNDAYCLUB"]


def test_screen_text_fires_on_overlays_that_the_rules_enable(
    reader: TextReader,
) -> None:
    marked = with_text("PHOTOBANK")
    assert screen_text(marked, reader, OcrScheduler(Budget(60))).reason == "watermark"
    rules = TextScreen(overlays=("promotion",))
    outcome = screen_text(marked, reader, OcrScheduler(Budget(60)), rules)
    assert outcome.fired is False
    assert outcome.evidence["overlays"] == [{"kind": "watermark", "text": "PHOTOBANK"}]
    own = TextScreen(allowed=(re.compile("PHOTOBANK"),))
    assert screen_text(marked, reader, OcrScheduler(Budget(60)), own).evidence["overlays"] == []


def test_screen_text_reports_a_contact_before_a_promotion(reader: TextReader) -> None:
    outcome = screen_text(
        with_text("CLICK THE LINK", "WeChat: lucky_mei77"), reader, OcrScheduler(Budget(60))
    )
    assert outcome.reason == "contact:wechat"
    assert [overlay["kind"] for overlay in outcome.evidence["overlays"]] == ["promotion"]


def test_screen_text_ignores_allowed_contacts(reader: TextReader) -> None:
    banner = with_text("www.shop.example")
    rules = TextScreen(allowed=(re.compile(r"www\.shop\.example"),))
    assert screen_text(banner, reader, OcrScheduler(Budget(60))).reason == "contact:url"
    assert screen_text(banner, reader, OcrScheduler(Budget(60)), rules).fired is False


def test_screen_text_spends_nothing_on_a_photo_without_text(reader: TextReader) -> None:
    budget = Budget(60)
    outcome = screen_text(photo(640, 480), reader, OcrScheduler(budget))
    assert outcome.fired is False
    assert outcome.evidence["read"] is False
    assert budget.level == 60


def test_screen_text_over_budget_is_not_run(reader: TextReader) -> None:
    scheduler = OcrScheduler(Budget(0.001), expected_seconds=0.001)
    banner = with_text("WeChat: lucky_mei77")
    assert screen_text(banner, reader, scheduler).fired is True
    outcome = screen_text(banner, reader, scheduler)
    assert (outcome.state, outcome.fired, outcome.reason) == (ScreenStatus.NOT_RUN, None, "budget")
    assert outcome.evidence["likelihood"] > TextScreen().min_text_likelihood


def test_screen_text_is_thread_safe(reader: TextReader) -> None:
    banners = [with_text(f"QQ 1234{number}678") for number in range(6)]
    budget = Budget(600)
    scheduler = OcrScheduler(budget)
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda banner: screen_text(banner, reader, scheduler), banners))
    read = [outcome.evidence["contacts"][0]["text"] for outcome in outcomes]
    assert [text.replace(" ", "") for text in read] == [f"QQ1234{n}678" for n in range(6)]
    assert budget.level < 600


def test_text_likelihood_separates_letters_from_a_photo() -> None:
    assert text_likelihood(with_text("hello there", size=24)) > 0.3
    assert text_likelihood(photo(640, 480)) < 0.1
