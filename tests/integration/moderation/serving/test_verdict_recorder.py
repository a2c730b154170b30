"""Recorded verdicts: the nightly run reuses them and writes them back."""

import pytest

from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop
from tests.support.serving import serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

VERDICT = "select * from moderation.verdict where content_sha256 = :sha"


def test_nightly_run_does_not_score_recorded_photos_again(shop: Shop) -> None:
    bright, dark = shop.upload("b.jpg", photo(BRIGHT)), shop.upload("d.jpg", photo(DARK))
    orphan = shop.upload("no-row.jpg", photo(DARK, seed=3), row=False)
    with serving(shop, serve_record_verdicts=True) as served:
        said = served.predict(photo(DARK, seed=9), keys=(bright, dark, orphan)).json()
        again = served.predict(keys=(bright,)).json()
        recorded = served.metric("moderation_serve_recorded_total")
    by_name = {p["name"]: p for p in said["photos"]}
    assert [by_name[key]["recorded"] for key in (bright, dark, orphan)] == [True, True, False]
    assert not by_name["0.jpg"]["recorded"]  # an upload has no object
    assert again["photos"][0]["recorded"]
    assert recorded == 3
    assert shop.status(bright) == "pending"  # only the nightly run writes this row
    run_nightly(shop)
    outcomes = dict(shop.rows("select object_key, outcome from moderation.audit_image"))
    assert outcomes == {bright: "already_judged", dark: "already_judged", orphan: "quarantined"}
    assert (shop.status(bright), shop.status(dark)) == ("pass", "review")
    assert [row[0] for row in shop.rows("select object_key from moderation.review_task")] == [dark]


def test_recorded_row_is_as_complete_as_that_of_a_nightly_run(shop: Shop) -> None:
    online, later = shop.upload("a.jpg", photo(DARK)), shop.upload("b.jpg", photo(DARK, seed=2))
    with serving(shop, serve_record_verdicts=True) as served:
        assert served.predict(keys=(online,)).status_code == 200
    run_nightly(shop)
    columns = (
        "select i.object_key, v.decision, v.reasons, v.pass_confidence, v.screens, "
        "v.runtime_versions, v.model_hash, v.policy_version, i.pdq is null, i.width, "
        "i.height, i.state "
        "from moderation.image i join moderation.verdict v using (content_sha256)"
    )
    rows = {row[0]: row[1:] for row in shop.rows(columns)}
    assert rows[online] == rows[later]
    assert shop.rows("select distinct run_id from moderation.verdict order by 1") == [
        ("night",), ("predict",)
    ]  # fmt: skip


def test_nothing_is_recorded_without_the_setting(shop: Shop) -> None:
    key = shop.upload("a.jpg", photo(DARK))
    with serving(shop) as served:
        assert not served.predict(keys=(key,)).json()["photos"][0]["recorded"]
    assert shop.rows("select from moderation.verdict") == []
    assert shop.rows("select from moderation.image") == []
