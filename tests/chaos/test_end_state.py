import json
from collections import Counter

import pytest

from tests.chaos.end_state import differences, load_state
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


@pytest.fixture
def judged(shop: Shop) -> Shop:
    for number in range(4):
        shop.upload(f"{number}.jpg", photo((BRIGHT, DARK)[number % 2], seed=number))
    shop.upload("broken.jpg", b"no photo")
    run_nightly(shop)
    return shop


def _changed(shop: Shop, sql: str) -> list[str]:
    before = load_state(shop)
    shop.execute(sql)
    return [difference.table for difference in differences(before, load_state(shop))]


def test_times_and_numbers_of_rows_make_no_difference(judged: Shop) -> None:
    # The next task number, as after a transaction that was rolled back.
    assert _changed(judged, "update moderation.verdict set judged_at = now()") == []
    judged.execute("create table kept as select * from moderation.review_task")
    before = load_state(judged)
    judged.execute("update moderation.review_task set task_id = default")
    assert differences(before, load_state(judged)) == []


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("verdict", "delete from moderation.verdict where decision = 'pass'"),
        ("audit_image", "update moderation.audit_image set outcome = null"),
        ("quarantine", "update moderation.quarantine set reason = 'corrupt'"),
        ("commerce", "update commerce.review_image set moderation_status = 'pass'"),
        ("commerce", "update commerce.review_image set moderated_at = null"),
        ("image", "update moderation.image set written_at = null"),
        ("audit_run", "update moderation.audit_run set listed = 4"),
    ],
)  # fmt: skip
def test_a_changed_row_is_a_difference(judged: Shop, table: str, change: str) -> None:
    assert _changed(judged, change) == [table]


def test_a_row_that_stands_twice_is_a_difference(judged: Shop) -> None:
    again = """
        insert into moderation.activity (actor, action, target)
        values ('ann', 'decide', 'review_task:1')
    """
    judged.execute(again)
    before = load_state(judged)
    judged.execute(again)
    [difference] = differences(before, load_state(judged))
    assert (difference.table, difference.missing) == ("activity", [])
    assert len(difference.unexpected) == 1
    assert "review_task:*" in str(difference)


def test_a_file_left_on_the_local_disk_is_a_difference(judged: Shop) -> None:
    before = load_state(judged)
    (judged.settings.data_dir / "candidate-killed").mkdir()
    assert [found.table for found in differences(before, load_state(judged))] == ["local files"]


@pytest.mark.parametrize(
    ("key", "first", "measured_again", "changed"),
    [
        (
            "models/1/metrics.json", b'{"epochs": [{"loss": 1, "seconds": 2}]}',
            b'{"epochs": [{"loss": 1, "seconds": 3}]}', b'{"epochs": [{"loss": 4, "seconds": 2}]}',
        ),
        ("report.html", b"<b>1.5 ms</b>", b"<b>1.25 ms</b>", b"<b>1.5 s</b>"),
    ],
)  # fmt: skip
def test_of_an_object_all_but_measured_values_is_compared(
    own: Shop, key: str, first: bytes, measured_again: bytes, changed: bytes
) -> None:
    own.connections.models.put(key, first)
    before = load_state(own)
    own.connections.models.put(key, measured_again)
    assert differences(before, load_state(own)) == []
    own.connections.models.put(key, changed)
    assert [found.table for found in differences(before, load_state(own))] == ["model bucket"]


@pytest.mark.parametrize(("score", "tables"), [(0.50000003, []), (0.501, ["verdict"])])
def test_rounding_of_a_score_is_no_difference(score: float, tables: list[str]) -> None:
    first, second = (Counter([json.dumps({"scores": {"a": s}})]) for s in (0.5, score))
    found = differences({"verdict": first}, {"verdict": second})
    assert [difference.table for difference in found] == tables
