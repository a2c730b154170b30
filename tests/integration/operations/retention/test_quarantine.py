import pytest

from ml.moderation.nightly.reconcile import reconcile
from ml.operations.retention.purge import Purged
from ml.operations.retention.quarantine import purge_quarantine
from tests.support.backdated_rows import backdate_run, purge_plan
from tests.support.nightly_run import run_nightly
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


@pytest.fixture
def mended(shop: Shop) -> Shop:
    """Four photos that could not be judged long ago; three of them can by now."""
    for name in ("replaced", "broken", "late"):
        shop.upload(name, b"no photo", row=name != "late")
    absent = f"{shop.settings.photo_prefix}absent"
    shop.add_row(absent)
    run_nightly(shop, "first")
    backdate_run(shop, "first")
    shop.upload("replaced", photo(), row=False)
    shop.upload("absent", photo(seed=1), row=False)
    run_nightly(shop, "second")
    backdate_run(
        shop, "second"
    )  # which put those in quarantine again that it could not judge either
    return shop


def _rows(shop: Shop) -> list[tuple[object, ...]]:
    return shop.rows("select object_key, etag from moderation.quarantine order by 1, 2")


def test_rows_go_once_a_newer_object_was_judged(mended: Shop) -> None:
    prefix = mended.settings.photo_prefix
    assert len(_rows(mended)) == 4
    purged = purge_quarantine(purge_plan(quarantine_days=180), mended.connections)
    # The broken one and the one without a shop's row are unresolved, however old they are.
    assert [key for key, _ in _rows(mended)] == [f"{prefix}broken", f"{prefix}late"]
    assert purged.items == 2


def test_a_released_row_goes(mended: Shop) -> None:
    mended.execute(
        "update moderation.quarantine set released_by = 'r' where object_key like '%late'"
    )
    assert purge_quarantine(purge_plan(quarantine_days=180), mended.connections).items == 3


def test_what_the_account_of_a_run_of_these_days_counts_stays(mended: Shop) -> None:
    mended.execute("update moderation.audit_run set started_at = now() where run_id = 'first'")
    assert purge_quarantine(purge_plan(quarantine_days=180), mended.connections).items == 0


def test_the_account_of_the_purged_run_holds(mended: Shop) -> None:
    parts = {"settings": mended.settings, "connections": mended.connections}
    purge_quarantine(purge_plan(quarantine_days=180), mended.connections)
    account = reconcile("first", **parts)
    assert (account.listed, account.quarantined, account.balanced) == (4, 4, True)


def test_nothing_goes_where_the_policy_names_no_days(mended: Shop) -> None:
    assert purge_quarantine(purge_plan(), mended.connections) == Purged("quarantine", None)
