from datetime import UTC, date, datetime

import pytest

from ml.core.settings import ROOT
from ml.policy.schema import load_policy
from ml.review.reviewer_stats import (
    ClassAccuracy,
    PairAgreement,
    ReviewerAccuracy,
    Workload,
)
from ml.storage.activity_log import Entry
from moderation_ui.review.reviewers_view import (
    Cell,
    agreement_matrix,
    golden_matrix,
    log_line,
    work_chart,
)
from moderation_ui.web.words import Labels, Words, load_texts

POLICY = load_policy(ROOT / "config" / "policy.yaml")
AT = datetime(2026, 11, 10, tzinfo=UTC)
HASH = "0123456789abcdef" * 4
SPAN = {"since": datetime(2026, 11, 9, 20, tzinfo=UTC), "until": datetime(2026, 11, 11, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("cell", "heat"),
    [
        (Cell(0.95, 10, 9), "heat-4"),
        (Cell(0.7, 10, 7), "heat-2"),
        (Cell(0.0, 9, 0), "heat-0 few"),
        (Cell(None, 3, 3), "undefined"),
    ],
)
def test_heat_class_follows_the_figure(cell: Cell, heat: str) -> None:
    assert cell.heat == heat


def test_agreement_matrix_is_symmetric_and_empty_without_common_photos() -> None:
    pairs = [PairAgreement("ann", "bob", 20, 0.9, 0.65), PairAgreement("bob", "cid", 2, 1.0, None)]
    matrix = agreement_matrix(pairs)
    assert matrix.columns == ("ann", "bob", "cid")
    table = {row: dict(zip(matrix.columns, cells, strict=True)) for row, cells in matrix.rows}
    assert table["ann"]["bob"] == table["bob"]["ann"]
    assert (table["ann"]["bob"].value, table["ann"]["bob"].right) == (0.65, 18)
    assert table["ann"]["bob"].heat == "heat-3"
    assert table["ann"]["cid"] is table["ann"]["ann"] is None
    assert table["cid"]["bob"].value is None


def test_golden_matrix_follows_the_policy_and_ends_with_the_accuracy() -> None:
    ann = {"zebra": ClassAccuracy(2, 1), "violate": ClassAccuracy(0, 0),
           "normal": ClassAccuracy(4, 3)}  # fmt: skip
    matrix = golden_matrix([ReviewerAccuracy("ann", 6, 4, ann)], POLICY)
    assert matrix.columns == ("normal", "violate", "zebra")
    ((name, cells),) = matrix.rows
    assert name == "ann"
    assert [cell and (cell.right, cell.photos) for cell in cells] == [(3, 4), None, (1, 2), (4, 6)]


def test_work_chart_has_every_day_and_one_bar_for_the_other_reviewers() -> None:
    days = {date(2026, 11, 10): 2}
    work = [Workload(f"<b>{n}</b>", 2, 0, None, days) for n in range(9)]
    chart = work_chart(work, **SPAN, zone="Asia/Shanghai", others="others")
    assert chart is not None
    assert len(chart["data"]) == 8
    assert chart["data"][0]["x"] == ["2026-11-10", "2026-11-11"]
    assert chart["data"][0]["y"] == [2, 0]
    assert chart["data"][0]["name"] == "&lt;b&gt;0&lt;/b&gt;"
    assert (chart["data"][7]["name"], chart["data"][7]["y"]) == ("others", [4, 0])
    assert work_chart([Workload("ann", 0, 1, None, {})], **SPAN, zone="UTC", others="") is None


def test_log_line_of_a_decision_is_in_both_languages() -> None:
    said = {"label": "violate", "note": "", "category": None, "status": "block"}
    entry = Entry(1, "ann", "decide", "review_task:7", said, AT)
    english, chinese = (
        log_line(entry, Labels(Words(language), POLICY)) for language in ("en", "zh")
    )
    assert (english.action, english.target) == ("Decided", "task 7")
    assert english.details == (("label", "Violation"), ("photo status", "block"))
    assert (chinese.action, chinese.details[0]) == ("审核", ("标签", "违规"))


def test_log_line_of_a_promotion_names_its_version() -> None:
    entry = Entry(1, "ann", "promote", f"model_version:{HASH}", {"previous": HASH[::-1]}, AT)
    line = log_line(entry, Labels(Words("en"), POLICY))
    assert (line.target, line.model_hash) == ("model 0123456789ab", HASH)
    assert line.details == (("previously", HASH[::-1][:12]),)


def test_log_line_of_an_unknown_code_stays_as_stored() -> None:
    entry = Entry(1, "ann", "dance", "floor", {"partner": "bob"}, AT)
    line = log_line(entry, Labels(Words("en"), POLICY))
    assert (line.action, line.target, line.model_hash) == ("dance", "floor", None)
    assert line.details == (("partner", "bob"),)


@pytest.mark.parametrize(
    "action",
    [
        *("decide", "undo", "skip", "appeal", "contest", "close_missing"),
        *("promote", "rollback", "reject"),
    ],
)
def test_every_action_has_a_text(action: str) -> None:
    assert f"reviewers.action_{action}" in load_texts()
