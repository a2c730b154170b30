"""The report page: readable and inert for any content."""

import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml.learning.report.page import Pictures, render, thumbnail
from ml.learning.report.tables import measures
from ml.models.evaluation.model_comparison import ModelScores, Photos, compare
from ml.vision.images.open_photo import DecodeLimits
from tests.support.policies import policy

SECRET = b"call 555-0100"
EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
POLICY = policy(violate=None, weapon=None)
PNG = b"\x89PNG\r\n"
_EMPTY = {"meta", "br", "img"}


def make_report(*, champion: bool = True, words: str = "violate/qr") -> dict[str, Any]:
    photos = Photos(np.array([0, 1, 1, 2]), ["normal", words, words, "weapon"], {
        "category": ["normal", words, words, "weapon"], "new_class": [None, None, None, None],
    })  # fmt: skip
    ours = ModelScores(np.array([[0.9, 0.1, 0], [0, 1, 0], [0.8, 0.2, 0], [0.1, 0.1, 0.8]]), 0.7)
    theirs = ModelScores(np.array([[0.9, 0.1, 0], [1, 0, 0], [0.8, 0.2, 0], [0.6, 0.3, 0.1]]), 0.9)
    whole = compare(photos, candidate=ours, champion=theirs if champion else None, policy=POLICY)
    evidence = {
        "target_rate": 0.03, "confidence": 0.95, "photos": 512, "passed": 350.5, "leaked": 2.0,
        "upper_bound": 0.021, "review_rate": 0.31,
    }  # fmt: skip
    solved = {"pass_confidence": 0.7, "source": f"solved {words}", "evidence": evidence}
    sample = {
        "content_sha256": "b" * 64, "label": "violate", "category": words, "candidate": "review",
        "champion": "pass", "candidate_score": 1.0, "champion_score": 0.0, "object_key": words,
    }  # fmt: skip
    return {
        "run_id": words,
        "candidate": "a" * 64,
        "champion": "c" * 64 if champion else None,
        "golden": {
            "hash": "d" * 64, "name": "golden-2026-10", "photos": 5, "judged_differently": 1,
            "rejected": {"e" * 64: f"unknown_class:{words}"},
        },
        "sets": {"golden": whole, "newest": whole},
        "servable": {"ok": True, "largest_difference": 1e-6, "detail": words},
        "blocklist": {"photos": 2, "passed": ["f" * 64]},
        "latency": {
            "candidate_ms": 12.5, "champion_ms": 12.25 if champion else None, "batch": 32,
            "device": "CPU", "weights_bytes": 44_800_000,
        },
        "thresholds": {
            "candidate": solved,
            "champion": {**solved, "pass_confidence": 0.9, "evidence": None} if champion else None,
        },
        "sample_differences": [sample] if champion else [],
        "plots": ["trade_off", "training"],
        "data": {
            "snapshot": "1" * 64, "as_of": "2026-10-01T00:00:00Z", "photos": 100, "new_photos": 9,
            "parts": {"train": 80, "golden": 20}, "left_out": {f"unknown_class:{words}": 3},
            "label_issues": 4, "labels": {"normal": {"checked": 80, "doubted": 4}},
        },
        "training": {
            "preset": "monthly", "seed": 0,
            "pretrained_weights": {"kind": "champion", "detail": words},
            "training_images": 80,
            "calibration": {"temperature": 1.25, "fitted_on": 10}, "libraries": {"torch": "2"},
        },
    }  # fmt: skip


PICTURES = Pictures({"trade_off": PNG, "training": PNG}, {"b" * 64: b"\xff\xd8"})


class _Elements(HTMLParser):
    """Collects elements and their attributes; every one that is opened must be closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def links(self) -> Iterator[str]:
        for _, attributes in self.found:
            yield from (v or "" for k, v in attributes.items() if k in ("src", "href", "action"))


@pytest.mark.parametrize("champion", [True, False])
@pytest.mark.parametrize("gated", [None, {"decision": "hold", "gates": [
    {"name": EVIL, "passed": False, "reason": EVIL},
]}])  # fmt: skip
def test_user_text_is_html_escaped(champion: bool, gated: dict[str, Any] | None) -> None:
    page = render(make_report(champion=champion, words=EVIL), PICTURES, gated=gated)
    elements = _Elements(page)
    assert {tag for tag, _ in elements.found} & {"script", "iframe", "link", "form", "a"} == set()
    assert all(link.startswith("data:image/") for link in elements.links())
    assert not any(k.startswith("on") for _, attributes in elements.found for k in attributes)
    assert "&lt;script&gt;" in page
    assert re.search(r"url\(|@import", page) is None


def test_page_says_why_the_candidate_was_trained_as_it_was() -> None:
    measured = {"kind": "bundled", "detail": "9f2b", "photos": 80, "log_loss": 0.25, "area": 0.9}
    result = measured | {
        "epochs": 1, "accuracy": 0.9, "chosen": True, "losses": {"0": 0.5, "1": 0.25},
        "label_weighting": {"own_share": 0.8, "half_life_days": 180}, "soft_share": 2.0,
    }  # fmt: skip
    page = render(make_report() | {"starts": [result]}, PICTURES, gated=None)
    assert "0: 0.5000, 1: 0.2500" in page
    assert "80.0%" in page
    assert "180 days 天" in page
    assert "2.0 times that of labels" in page
    assert "no epoch helped" not in page
    unweighted = {"label_weighting": {"own_share": None, "half_life_days": None}}
    untried = {"soft_share": None, "losses": {"0": 0.5}}
    page = render(make_report() | {"starts": [result | unweighted | untried]}, PICTURES, gated=None)
    assert "unchanged 不调整" in page
    assert "none 不衰减" in page
    assert "none to try 无" in page
    assert "0: 0.5000 (no epoch helped" in page


def test_verdict_is_in_both_languages() -> None:
    passed = [{"name": "servable", "passed": True, "reason": "fine"}]
    failed = [*passed, {"name": "blocklist", "passed": False, "reason": "1 would pass"}]
    report = make_report()
    page = render(report, PICTURES, gated={"decision": "promote", "gates": passed})
    assert "All 1 release checks passed: ready to promote · 1 项上线检查全部通过，可以上线" in page
    page = render(report, PICTURES, gated={"decision": "hold", "gates": failed})
    assert "Held: 1 of 2 release checks failed · 暂缓上线：2 项上线检查中 1 项未通过" in page
    assert "1 would pass" in page
    page = render(report, PICTURES, gated=None)
    assert "Not checked yet · 尚未检查" in page
    assert "the candidate has an accuracy of 75.0%, the champion of 25.0%" in page
    assert "在 4 张金标图片上，候选模型准确率 75.0%，现役模型 25.0%" in page


def test_page_compares_starts_and_result() -> None:
    start = {
        "kind": "champion", "detail": EVIL, "epochs": 0, "photos": 4321, "log_loss": 0.25,
        "area": 0.9125, "accuracy": 0.5, "chosen": False,
    }  # fmt: skip
    better = {**start, "kind": "file", "log_loss": 0.125, "chosen": True}
    of_an_earlier_release = {**start, "preset": EVIL}
    del of_an_earlier_release["epochs"]
    report = make_report()
    assert "Starts and result" not in render(report, PICTURES, gated=None)
    page = render(
        {**report, "starts": [start, better, of_an_earlier_release]}, PICTURES, gated=None
    )
    assert _Elements(page)
    assert EVIL not in page
    assert all(text in page for text in ("各初始权重", "0.2500", "0.1250", "0.9125", "4,321"))
    assert page.count("chosen 采用") == 1


def test_page_names_the_share_of_each_confirmation_and_warns_below_half() -> None:
    report = make_report()
    assert "Golden labels" not in render(report, PICTURES, gated=None)
    kinds = {"two_reviewers": 1, "second_look": 2, "one_look": 1, "imported": 2, "disputed": 2}
    report["golden"]["confirmations"] = kinds
    page = render(report, PICTURES, gated=None)
    assert _Elements(page)
    assert "3 of 8 golden labels (37.5%) are confirmed" in page
    assert "8 个金标标签中 3 个（37.5%）经第二名审核员或第二次盲审确认，2 个有争议。" in page
    assert page.count("<dd>2 (25.0%)</dd>") == 3
    assert "Less than half of the golden labels are confirmed" in page
    assert "已确认的金标标签不足一半" in page
    report["golden"]["confirmations"] = kinds | {"second_look": 4}
    page = render(report, PICTURES, gated=None)
    assert "5 of 10 golden labels (50.0%)" in page
    assert "Less than half" not in page


def test_evidence_of_the_threshold_is_a_sentence() -> None:
    page = " ".join(render(make_report(), PICTURES, gated=None).split())
    assert "Of 512 held-out labels, 350.5 (weighted) pass, and 2.0 of those are" in page
    assert "with 95.0% confidence at most <b>2.1%</b> of what passes is a violation" in page
    assert "There is no evidence for its leak rate" in page  # the champion's


def test_pictures_are_inline_and_missing_ones_are_omitted() -> None:
    page = render(make_report(), PICTURES, gated=None)
    assert page.count("data:image/png;base64,iVBORw0K") == 2
    assert page.count("data:image/jpeg;base64,/9g=") == 1
    page = render(make_report(), Pictures(), gated=None)
    assert "data:image/" not in page
    assert "no thumbnail" in page


def test_rows_of_measures_have_direction_and_difference() -> None:
    rows = {row["name"]: row for row in measures(make_report()["sets"]["golden"])}
    accuracy, missed = rows["Accuracy · 准确率"], rows["Missed (of all violations) · 漏检率"]
    assert (accuracy["candidate"], accuracy["champion"], accuracy["difference"]) == (
        0.75,
        0.25,
        0.5,
    )
    assert accuracy["higher_is_better"]
    # Of three violations the candidate shows one (the third photo), the champion one (the second).
    assert missed["candidate"] == missed["champion"] == pytest.approx(1 / 3)
    assert not missed["higher_is_better"]
    assert missed["test"]["low"] <= missed["difference"] <= missed["test"]["high"]
    assert rows["violate: recall · 召回率"]["candidate"] == 0.5
    assert rows["weapon: precision · 精确率"]["champion"] is None  # never said "weapon"


def test_interval_of_missed_violations_contains_the_difference() -> None:
    """The test counts violations that did not pass, the row those that did."""
    photos = Photos(np.array([1] * 40), ["x"] * 40, {})
    none_shown = ModelScores(np.array([[0.0, 1.0]] * 40), 0.7)
    half_shown = ModelScores(np.array([[0.0, 1.0], [1.0, 0.0]] * 20), 0.7)
    two = policy(violate=None)
    rows = measures(compare(photos, candidate=none_shown, champion=half_shown, policy=two))
    [missed] = [row for row in rows if row["name"].startswith("Missed")]
    assert (missed["candidate"], missed["champion"], missed["difference"]) == (0.0, 0.5, -0.5)
    assert -0.75 < missed["test"]["low"] < -0.5 < missed["test"]["high"] < -0.25


@pytest.mark.parametrize(
    ("orientation", "size"), [(1, (160, 80)), (6, (80, 160))], ids=["upright", "on its side"]
)
def test_thumbnail_has_pixels_without_metadata(orientation: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.new("RGB", (800, 400), "red").save(out, "JPEG", exif=exif, comment=SECRET)
    assert out.getvalue().count(SECRET) == 2
    small = thumbnail(out.getvalue(), DecodeLimits())
    assert SECRET not in small
    with Image.open(io.BytesIO(small)) as picture:
        assert picture.size == size
        assert not picture.getexif()
        assert "comment" not in picture.info
