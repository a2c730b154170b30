"""Rights that are missing, rights that are too many; a table that may not be seen is not absent."""

import pytest

from ml.core.settings import CommerceNames
from ml.operations.doctor.check import CheckStatus, Deployment
from ml.operations.doctor.database_checks import check_least_privilege
from tests.integration.operations.doctor.conftest import Examine, failures
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("revoked", "named"),
    [
        ("insert on moderation.verdict", ("own schema", "INSERT on verdict")),
        (
            "update (moderated_at) on commerce.review_image",
            ("commerce table", "GRANT UPDATE (moderated_at) ON commerce.review_image"),
        ),
        (
            "select on commerce.review_image",
            ("commerce table", "GRANT SELECT (image_id, review_id, product_id"),
        ),
        ("usage on schema commerce", ("commerce table", "GRANT USAGE ON SCHEMA commerce")),
        ("usage on schema moderation", ("migrations", "GRANT USAGE ON SCHEMA moderation")),
    ],
)
def test_a_missing_right_is_named(
    examined: Examine, shop: Shop, user: str, revoked: str, named: tuple[str, str]
) -> None:
    check, said = named
    shop.execute(f"revoke {revoked} from {user}")
    found = examined()
    assert failures(found) == [check]
    assert said in f"{found[check].message} {found[check].remedy}"
    assert "no table" not in found[check].message


@pytest.mark.parametrize(
    ("granted", "said"),
    [
        ("delete on commerce.review_image", "commerce.review_image (DELETE)"),
        (
            "update (object_key) on commerce.review_image",
            "commerce.review_image (columns object_key)",
        ),
        ("insert on public.orders", "public.orders (INSERT, columns total)"),
    ],
)
def test_a_right_beyond_need_is_named(
    examined: Examine, shop: Shop, user: str, granted: str, said: str
) -> None:
    shop.execute("create table public.orders (total int)")
    shop.execute(f"grant {granted} to {user}")
    found = examined()
    assert failures(found) == ["least rights"]
    assert said in found["least rights"].message
    assert "REVOKE" in found["least rights"].remedy


def test_a_superuser_has_too_many_rights(examined: Examine, shop: Shop) -> None:
    found = examined(database_url=shop.settings.database_url)
    assert failures(found) == ["least rights"]
    assert "superuser" in found["least rights"].message


def test_the_embedded_database_is_ours(shop: Shop) -> None:
    embedded = shop.settings.model_copy(update={"embedded": True})
    assert (
        check_least_privilege(Deployment(embedded, shop.connections)).state is CheckStatus.SKIPPED
    )


def test_a_table_under_another_name(examined: Examine) -> None:
    found = examined(commerce=CommerceNames(table="photos"))
    assert found["commerce table"].message == "there is no table commerce.photos"
    found = examined(commerce=CommerceNames(object_key="s3_key"))
    assert found["commerce table"].message == "commerce.review_image has no column s3_key"
