"""Photos of a shard that fail: the photos' own fault, or the bucket's."""

from collections.abc import Callable

import pytest
import yaml

from ml.core.errors import (
    BucketNotFound,
    BucketSuspected,
    ClockSkewed,
    ShardIncomplete,
    StorageUnavailable,
)
from ml.moderation.nightly.score_shard import score_shard
from tests.support.faulty_proxy import Answer, Fault, s3_error
from tests.support.nightly_run import finish_run, start_run
from tests.support.photos import photo
from tests.support.policies import write_policy
from tests.support.proxied_shop import connections_through_proxy
from tests.support.servers import Shop

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_waiting")]
FIRST = 30  # photos that fail, in a row
FINE = 10  # fewer than fail
MANY = 34  # more than fail


def _photo(seed: int) -> bytes:
    """A photo whose file is as long as the others."""
    return photo(seed=seed).ljust(4_000, b"\0")


def _fill(shop: Shop, fine: int) -> None:
    for number in range(FIRST):
        shop.upload(f"a{number:02}.jpg", _photo(1))
    for number in range(fine):
        shop.upload(f"b{number:02}.jpg", _photo(1))


def _score(shop: Shop, fault: Fault) -> dict[str, int]:
    (shard,) = start_run(shop)
    with connections_through_proxy(shop, fault) as connections:
        return score_shard(shard, settings=shop.settings, connections=connections)


def _of_first(answer: Answer | Callable[[Answer], Answer]) -> Fault:
    """The fault of the photos that come first."""
    return lambda _, path: answer if "/a" in path else None


def _as_other_photo(answer: Answer) -> Answer:
    assert len(answer.body) == len(_photo(2))
    return answer.with_body(_photo(2))


def _as_half(answer: Answer) -> Answer:
    return answer.with_body(answer.body[: len(answer.body) // 2])


def _as_nothing(answer: Answer) -> Answer:
    return answer.with_body(b"")


def _quarantined(shop: Shop) -> dict[object, object]:
    rows = shop.rows("select reason, count(*) from moderation.quarantine group by reason")
    return dict(rows)


@pytest.mark.parametrize("wrong", [_as_other_photo, _as_half, _as_nothing])
def test_other_bytes_under_the_right_etag_are_neither_judged_nor_quarantined(
    wrong: Callable[[Answer], Answer], shop: Shop
) -> None:
    _fill(shop, FINE)
    with pytest.raises(BucketSuspected, match="30 of 40 photos of shard 0 fail with `unreachable`"):
        _score(shop, _of_first(wrong))
    assert _quarantined(shop) == {}
    # The photos that came as listed are judged, and a retry judges the others once the bucket is
    # well.
    assert shop.rows("select count(*) from moderation.audit_image where outcome = 'judged'") == [
        (FINE,)
    ]
    assert _score(shop, lambda *_: None) == {"judged": FIRST, "quarantined": 0}
    assert finish_run(shop)["judged"] == FIRST + FINE


def test_thirty_archived_objects_in_a_row_are_quarantined_alone(shop: Shop) -> None:
    _fill(shop, FINE)
    counts = _score(shop, _of_first(s3_error(403, "InvalidObjectState")))
    assert counts == {"judged": FINE, "quarantined": FIRST}
    assert finish_run(shop)["quarantine_reasons"] == {"object_archived": FIRST}
    ((detail,),) = shop.rows("select detail from moderation.quarantine limit 1")
    assert "restore it" in str(detail)


@pytest.mark.parametrize("code", ["AccessDenied", "KMS.DisabledException"])
def test_forbidden_objects_in_a_row_are_quarantined_if_most_are_fine(code: str, shop: Shop) -> None:
    _fill(shop, MANY)
    assert _score(shop, _of_first(s3_error(403, code))) == {"judged": MANY, "quarantined": FIRST}
    assert _quarantined(shop) == {"forbidden": FIRST}


def test_unreachable_objects_in_a_row_do_not_stop_the_fine_ones(shop: Shop) -> None:
    _fill(shop, MANY)
    with pytest.raises(ShardIncomplete, match="30 images of shard 0"):
        _score(shop, _of_first(s3_error(503, "SlowDown")))
    assert _quarantined(shop) == {}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (s3_error(403, "AccessDenied"), "forbidden"),
        (s3_error(404, "NoSuchKey"), "object_absent"),
        (s3_error(412, "PreconditionFailed"), "object_changed"),
    ],
)
def test_most_of_a_shard_failing_for_one_reason_suspects_the_bucket(
    answer: Answer, reason: str, shop: Shop
) -> None:
    _fill(shop, FINE)
    with pytest.raises(BucketSuspected, match=rf"fail with `{reason}`.*a00\.jpg"):
        _score(shop, _of_first(answer))
    assert _quarantined(shop) == {}


@pytest.mark.parametrize(
    ("data", "reason"), [(b"\x00" * 500, "not_an_image"), (b"", "empty"), (None, "truncated")]
)
def test_most_of_a_shard_undecodable_suspects_the_bucket(
    data: bytes | None, reason: str, shop: Shop
) -> None:
    broken = photo(seed=1)[:-200] if data is None else data
    for number in range(FIRST):
        shop.upload(f"a{number:02}.jpg", broken)
    shop.upload("b.jpg", photo(seed=1))
    with pytest.raises(BucketSuspected, match=f"30 of 31 photos of shard 0 fail with `{reason}`"):
        _score(shop, lambda *_: None)
    assert _quarantined(shop) == {}
    # Who has looked, and knows that these photos are broken, lets them be quarantined.
    file = shop.settings.policy_file
    write_policy(file.parent, yaml.safe_load(file.read_text()), alerts={"max_failure_share": 1})
    assert _score(shop, lambda *_: None) == {"judged": 0, "quarantined": FIRST}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (s3_error(403, "RequestTimeTooSkewed"), ClockSkewed),
        (s3_error(404, "NoSuchBucket"), BucketNotFound),
    ],
)
def test_error_of_every_object_stops_the_shard(
    answer: Answer, error: type[Exception], shop: Shop
) -> None:
    _fill(shop, MANY)
    with pytest.raises(error):
        _score(shop, _of_first(answer))
    assert _quarantined(shop) == {}


def test_bucket_that_answers_nothing_stops_the_shard_early(shop: Shop) -> None:
    _fill(shop, FINE)
    with pytest.raises(StorageUnavailable):
        _score(shop, lambda *_: 503)
    assert shop.rows("select max(fetch_failures) from moderation.audit_image") == [(0,)]


def test_photos_that_an_earlier_run_quarantined_do_not_make_the_bucket_suspected(
    shop: Shop,
) -> None:
    for number in range(8):
        shop.upload(f"bad{number}.jpg", b"no photo %d" % number)
    for number in range(FINE):
        shop.upload(f"b{number:02}.jpg", photo(seed=number))
    for run_id in ("first", "again"):
        (shard,) = start_run(shop, run_id)
        scored = score_shard(shard, settings=shop.settings, connections=shop.connections)
        assert scored["quarantined"] == 8
        finish_run(shop, run_id)
