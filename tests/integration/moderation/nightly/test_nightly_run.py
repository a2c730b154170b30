"""A whole nightly run on real PostgreSQL and SeaweedFS; the steps are called as in the DAG."""

import pytest

from tests.support.nightly_run import dump_results, run_nightly
from tests.support.photos import BRIGHT, DARK, MIDDLE, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def _catalogue(shop: Shop) -> None:
    for i in range(20):
        shop.upload(f"bright-{i:03}.jpg", photo(BRIGHT, seed=i))
    for i in range(5):
        shop.upload(f"dark-{i:03}.jpg", photo(DARK, seed=100 + i))
    shop.upload("middle.jpg", photo(MIDDLE, seed=200))
    shop.upload("empty.jpg", b"")
    shop.upload("cut.jpg", photo(seed=1)[:-400])
    shop.upload("not-a-photo.jpg", b"hello" * 50)


def test_every_photo_has_an_outcome_in_the_commerce_database(shop: Shop) -> None:
    _catalogue(shop)
    report = run_nightly(shop)
    assert (report["listed"], report["judged"], report["quarantined"]) == (29, 26, 3)
    assert report["verdicts"]["pass"] == 20
    assert report["verdicts"]["review"] == 6
    assert report["quarantine_reasons"] == {"empty": 1, "not_an_image": 1, "truncated": 1}
    statuses = dict(
        shop.rows("select moderation_status, count(*) from commerce.review_image group by 1")
    )
    assert statuses == {"pass": 20, "review": 6, "pending": 3}
    assert shop.rows("select count(*) from moderation.review_task where state = 'open'") == [(6,)]
    assert shop.rows("select state from moderation.audit_run") == [("reconciled",)]


def test_repeated_run_equals_a_single_run(shop: Shop) -> None:
    _catalogue(shop)
    run_nightly(shop)
    before = dump_results(shop)
    report = run_nightly(shop, "again")
    assert dump_results(shop) == before
    assert (report["listed"], report["judged"], report["already_judged"]) == (29, 0, 26)
    assert report["quarantined"] == 3
