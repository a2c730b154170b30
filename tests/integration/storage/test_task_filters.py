import pytest

from ml.storage.task_filters import Filters
from tests.integration.review.queue_fixture import Room

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        (Filters(category="ad"), ["a", "b", "c"]),
        (Filters(category="qr"), ["d"]),
        (Filters(category="confidence"), []),
        (Filters(category="qr", category_reasons=("signal:codes:qr",)), ["d", "e"]),
        (Filters(category="ad", reasons=("low_confidence",)), ["c"]),
    ],
)
def test_category_filter_matches_the_class_of_a_reason(
    room: Room, filters: Filters, wanted: list[str]
) -> None:
    room.task("a", reasons=("violation:ad",))
    room.task("b", reasons=("block:ad", "appeal"))
    room.task("c", reasons=("low_confidence", "label_issue:ad"))
    room.task("d", reasons=("screen:ad", "violation:qr"))
    room.task("e", reasons=("signal:codes:qr",))
    tasks = room.claim(count=9, filters=filters)
    assert sorted(task.object_key for task in tasks) == wanted
