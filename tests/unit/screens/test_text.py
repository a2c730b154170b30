"""Text: the gate, contact details, pages, and the budget. The real recogniser reads."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from ml.screens.budget import Budget
from ml.screens.ocr import TextReader
from ml.screens.outcome import State
from ml.screens.overlays import OverlayKind
from ml.screens.ranking import Ranking
from ml.screens.text import TextRules, screen_text
from ml.screens.text_gate import text_likelihood
from tests.unit.images.pictures import photo
from tests.unit.screens.conftest import with_text

PAGE = ["the parcel never arrived and", "I want my money back now", "please wait 2 more days"] * 3


def test_a_contact_banner_fires_with_its_kind(reader: TextReader) -> None:
    outcome = screen_text(
        with_text("FREE GIFT", "WeChat: lucky_mei77"), reader, Ranking(Budget(60))
    )
    assert (outcome.fired, outcome.reason) == (True, "contact:wechat")
    assert outcome.evidence["contacts"][0]["kind"] == "wechat"
    json.dumps(outcome.evidence, allow_nan=False)


def test_a_page_of_text_fires_as_dominated(reader: TextReader) -> None:
    outcome = screen_text(with_text(*PAGE, size=30), reader, Ranking(Budget(60)))
    assert (outcome.fired, outcome.reason) == (True, "text_dominated")
    assert outcome.value is not None
    assert outcome.value > 0.15


def test_a_few_letters_pass_by_as_evidence(reader: TextReader) -> None:
    outcome = screen_text(with_text("SUNDAY CLUB", size=30), reader, Ranking(Budget(60)))
    assert outcome.fired is False
    assert [line["text"].replace(" ", "") for line in outcome.evidence["lines"]] == ["SUNDAYCLUB"]


def test_advertising_without_a_contact_detail_fires_unless_the_policy_keeps_it_as_evidence(
    reader: TextReader,
) -> None:
    marked = with_text("PHOTOBANK")
    assert screen_text(marked, reader, Ranking(Budget(60))).reason == "watermark"
    rules = TextRules(overlays=frozenset({OverlayKind.PROMOTION}))
    outcome = screen_text(marked, reader, Ranking(Budget(60)), rules)
    assert outcome.fired is False
    assert outcome.evidence["overlays"] == [{"kind": "watermark", "text": "PHOTOBANK"}]
    own = TextRules(allowed=(re.compile("PHOTOBANK"),))
    assert screen_text(marked, reader, Ranking(Budget(60)), own).evidence["overlays"] == []


def test_a_contact_detail_weighs_more_than_the_call_beside_it(reader: TextReader) -> None:
    outcome = screen_text(
        with_text("CLICK THE LINK", "WeChat: lucky_mei77"), reader, Ranking(Budget(60))
    )
    assert outcome.reason == "contact:wechat"
    assert [overlay["kind"] for overlay in outcome.evidence["overlays"]] == ["promotion"]


def test_the_shops_own_address_is_allowed(reader: TextReader) -> None:
    banner = with_text("www.shop.example")
    rules = TextRules(allowed=(re.compile(r"www\.shop\.example"),))
    assert screen_text(banner, reader, Ranking(Budget(60))).reason == "contact:url"
    assert screen_text(banner, reader, Ranking(Budget(60)), rules).fired is False


def test_without_text_nothing_is_read_and_nothing_spent(reader: TextReader) -> None:
    budget = Budget(60)
    outcome = screen_text(photo(640, 480), reader, Ranking(budget))
    assert outcome.fired is False
    assert outcome.evidence["read"] is False
    assert budget.left == 60


def test_over_budget_is_not_run_never_quiet(reader: TextReader) -> None:
    ranking = Ranking(Budget(0.001), expected_seconds=0.001)
    banner = with_text("WeChat: lucky_mei77")
    assert screen_text(banner, reader, ranking).fired is True
    outcome = screen_text(banner, reader, ranking)
    assert (outcome.state, outcome.fired, outcome.reason) == (State.NOT_RUN, None, "budget")
    assert outcome.evidence["likelihood"] > TextRules().gate


def test_threads_share_one_reader_and_one_budget(reader: TextReader) -> None:
    banners = [with_text(f"QQ 1234{number}678") for number in range(6)]
    budget = Budget(600)
    ranking = Ranking(budget)
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda banner: screen_text(banner, reader, ranking), banners))
    read = [outcome.evidence["contacts"][0]["text"] for outcome in outcomes]
    assert [text.replace(" ", "") for text in read] == [f"QQ1234{n}678" for n in range(6)]
    assert budget.left < 600


def test_the_gate_tells_letters_from_soft_colours() -> None:
    assert text_likelihood(with_text("hello there", size=24)) > 0.3
    assert text_likelihood(photo(640, 480)) < 0.1


def test_what_cannot_be_measured_is_unknown(reader: TextReader) -> None:
    outcome = screen_text(Image.new("RGB", (1, 0)), reader, Ranking(Budget(60)))
    assert (outcome.fired, outcome.reason) == (None, "failed")
