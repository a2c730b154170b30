import numpy as np
import pytest

from ml.core.errors import ImageRejected, QuarantineReason
from ml.core.types import ImageContent, PendingImage, RejectedImage, not_run
from ml.moderation.pipeline import batches
from ml.moderation.pipeline.batches import MAX_GROUP_FACTOR, group_batches
from ml.moderation.pipeline.fetch import Fetched
from ml.moderation.pipeline.photo_threads import Prepared
from ml.moderation.pipeline.preprocessing import PreparedImage, UnreadText

CONTENT = ImageContent("0" * 64, "0" * 64, 100, 8, 8)
PIXELS = np.zeros((1, 3, 8, 8), np.uint8)


def _photo(key: str, likelihood: float | None = None, *, size: int = 1) -> PreparedImage:
    image = PendingImage(key, "", size)
    unread = None
    if likelihood is not None:
        found = not_run("text", "budget", {"likelihood": likelihood, "read": False})
        unread = UnreadText(Fetched(image, bytes(size)), CONTENT.sha256, (found.to_json(),))
    return PreparedImage(image, CONTENT, PIXELS, unread=unread)


def _rejected(key: str) -> RejectedImage:
    error = ImageRejected(QuarantineReason.CORRUPT, "broken")
    return RejectedImage(PendingImage(key, "", 1), None, error)


def _keys(groups: list[list[Prepared]]) -> list[list[str]]:
    return [[item.image.object_key for item in group] for group in groups]


def test_a_batch_has_as_many_photos_and_what_was_rejected_between_them() -> None:
    stream: list[Prepared] = [_photo("a"), _rejected("b"), _photo("c"), _photo("d")]
    assert _keys(list(group_batches(iter(stream), 2))) == [["a", "b", "c"], ["d"]]


def test_many_rejected_photos_are_a_batch() -> None:
    stream = [_rejected(str(number)) for number in range(MAX_GROUP_FACTOR * 2 + 1)]
    groups = list(group_batches(iter(stream), 2))
    assert [len(group) for group in groups] == [MAX_GROUP_FACTOR * 2, 1]


def test_the_least_likely_texts_let_go_of_their_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MAX_UNREAD_BYTES", 100)
    likelihoods = {"a": 0.9, "b": 0.4, "c": 0.5, "d": 0.6, "e": None}
    stream = [_photo(key, found, size=40) for key, found in likelihoods.items()]
    (group,) = group_batches(iter(stream), 8)
    kept = [p.image.object_key for p in group if isinstance(p, PreparedImage) and p.unread]
    assert kept == ["a", "d"]
    assert _keys([group]) == [list(likelihoods)]


def test_each_batch_has_the_bytes_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MAX_UNREAD_BYTES", 100)
    stream = [_photo(key, 0.5, size=60) for key in "abc"]
    groups = list(group_batches(iter(stream), 1))
    assert all(isinstance(p, PreparedImage) and p.unread for group in groups for p in group)
