"""Checks of the database: log-in, revision, missing and excess privileges."""

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from ml.core.commerce_names import CommerceNames
from ml.core.settings import Settings
from ml.operations.doctor.check import CheckStatus, Deployment
from ml.operations.doctor.database_checks import check_least_privilege
from ml.storage.database import newest
from tests.integration.operations.doctor.conftest import Examine, failures
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def _url(settings: Settings, **changed: str | int) -> SecretStr:
    assert settings.database_url
    url = make_url(settings.database_url.get_secret_value()).set(**changed)  # type: ignore[arg-type]  # parts of a URL
    return SecretStr(url.render_as_string(hide_password=False))


def test_deployment_with_least_privilege_passes(run_doctor: Examine) -> None:
    found = run_doctor()
    assert failures(found) == []
    skipped = [name for name, finding in found.items() if finding.state is CheckStatus.SKIPPED]
    assert skipped == ["signals", "teacher", "/predict"]


def test_wrong_password_fails_and_other_database_checks_are_skipped(
    run_doctor: Examine, settings: Settings
) -> None:
    found = run_doctor(database_url=_url(settings, password="wrong"))
    assert failures(found) == ["database"]
    assert "refuses" in found["database"].message
    assert "user and password in MODERATION_DATABASE_URL" in found["database"].remedy
    assert found["champion"].state is found["commerce table"].state is CheckStatus.SKIPPED


@pytest.mark.parametrize("part", [{"port": 1}, {"database": "nowhere"}])
def test_missing_database_fails(
    run_doctor: Examine, settings: Settings, part: dict[str, str | int]
) -> None:
    found = run_doctor(database_url=_url(settings, **part))
    assert failures(found) == ["database"]
    assert "host, port and database name" in found["database"].remedy


def test_schema_of_older_revision_fails(run_doctor: Examine, shop: Shop) -> None:
    shop.execute(
        "update moderation.alembic_version set version_num = '0000' where version_num = :newest",
        newest=newest(),
    )
    found = run_doctor()
    assert failures(found) == ["migrations"]
    assert "python -m ml migrate" in found["migrations"].remedy


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
def test_missing_privilege_is_named(
    run_doctor: Examine, shop: Shop, user: str, revoked: str, named: tuple[str, str]
) -> None:
    check, text = named
    shop.execute(f"revoke {revoked} from {user}")
    found = run_doctor()
    assert failures(found) == [check]
    assert text in f"{found[check].message} {found[check].remedy}"
    assert "no table" not in found[check].message


@pytest.mark.parametrize(
    ("granted", "text"),
    [
        ("delete on commerce.review_image", "commerce.review_image (DELETE)"),
        (
            "update (object_key) on commerce.review_image",
            "commerce.review_image (columns object_key)",
        ),
        ("insert on public.orders", "public.orders (INSERT, columns total)"),
    ],
)
def test_excess_privilege_is_named(
    run_doctor: Examine, shop: Shop, user: str, granted: str, text: str
) -> None:
    shop.execute("create table public.orders (total int)")
    shop.execute(f"grant {granted} to {user}")
    found = run_doctor()
    assert failures(found) == ["least rights"]
    assert text in found["least rights"].message
    assert "REVOKE" in found["least rights"].remedy


def test_superuser_fails(run_doctor: Examine, shop: Shop) -> None:
    found = run_doctor(database_url=shop.settings.database_url)
    assert failures(found) == ["least rights"]
    assert "superuser" in found["least rights"].message


def test_privileges_in_embedded_database_are_skipped(shop: Shop) -> None:
    embedded = shop.settings.model_copy(update={"embedded": True})
    assert (
        check_least_privilege(Deployment(embedded, shop.connections)).state is CheckStatus.SKIPPED
    )


def test_missing_table_or_column_is_named(run_doctor: Examine) -> None:
    found = run_doctor(commerce=CommerceNames(table="photos"))
    assert found["commerce table"].message == "there is no table commerce.photos"
    found = run_doctor(commerce=CommerceNames(object_key="s3_key"))
    assert found["commerce table"].message == "commerce.review_image has no column s3_key"


def test_column_of_unsupported_type_fails(run_doctor: Examine, shop: Shop) -> None:
    shop.execute("alter table commerce.review_image alter moderated_at type timestamp")
    found = run_doctor()
    assert failures(found) == ["commerce table"]
    assert "moderated_at of type timestamp" in found["commerce table"].message
    assert "set MODERATION_COMMERCE__TIMEZONE" in found["commerce table"].remedy
    names = CommerceNames(timezone="America/New_York")
    assert failures(run_doctor(commerce=names)) == []


def test_status_that_a_constraint_refuses_fails(run_doctor: Examine, shop: Shop) -> None:
    shop.execute("alter table commerce.review_image add check (moderation_status <> 'review')")
    found = run_doctor()
    assert failures(found) == ["commerce table"]
    assert "refuses the status 'review'" in found["commerce table"].message


def test_missing_index_of_the_keys_is_named(run_doctor: Examine, shop: Shop) -> None:
    shop.execute("drop index commerce.review_image_object_key")
    found = run_doctor()
    assert failures(found) == []
    assert "no index on object_key" in found["commerce table"].message
    assert "CREATE INDEX ON commerce.review_image (object_key)" in found["commerce table"].remedy


def test_status_in_another_spelling_is_named(run_doctor: Examine, shop: Shop) -> None:
    shop.execute(
        "insert into commerce.review_image "
        "(review_id, product_id, object_key, uploaded_at, moderation_status) "
        "values (1, 1, 'a.jpg', now(), 'PENDING'), (1, 1, 'b.jpg', now(), 'archived')"
    )
    found = run_doctor()
    assert failures(found) == []
    assert "the status 'PENDING': another spelling" in found["commerce table"].message
    assert "MODERATION_COMMERCE__STATUS_PENDING to 'PENDING'" in found["commerce table"].remedy
