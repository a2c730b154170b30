"""Each misconfiguration of the object storage is named by the doctor, with its remedy."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ml.core.settings import Settings
from ml.operations.doctor.check import CheckStatus, Deployment, Finding, run_checks
from ml.operations.doctor.runner import library_findings, storage_checks
from ml.storage.connections import open_connections
from ml.storage.s3_errors import BUNDLE
from tests.integration.operations.doctor.conftest import failures
from tests.support.cloud_store import COS, OSS, CloudStore, Vendor, reachable_store
from tests.support.credential_sources import credential_sources, use_machine_role, use_no_source
from tests.support.faulty_proxy import Answer, Fault, faulty_proxy, s3_error
from tests.support.servers import Shop
from tests.support.token_gate import Issued, TokenGate, token_gate

pytestmark = pytest.mark.integration

BUCKETS = ["photo bucket", "model bucket"]
DATABASE = "postgresql+psycopg://nobody@127.0.0.1:1/none"  # which no check of storage asks
CHAIN: dict[str, Any] = {
    "s3_credentials": "chain",
    "s3_access_key": None,
    "s3_secret_key": None,
}


def examine(settings: Settings, **changed: object) -> dict[str, Finding]:
    """Run the checks of the object storage."""
    these = Settings.model_validate(settings.model_dump() | changed)
    with closing(open_connections(these)) as connections:
        return dict(run_checks(storage_checks(Deployment(these, connections))))


@contextmanager
def cloud(vendor: Vendor, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[CloudStore]:
    with reachable_store(vendor, folder, patch) as store:
        store.objects["reviews/a.jpg"] = b"photo"
        yield store


@pytest.fixture
def oss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudStore]:
    with cloud(OSS, tmp_path, monkeypatch) as store:
        yield store


def settings_of(store: CloudStore, **values: object) -> Settings:
    given = store.settings() | {"model_bucket": store.bucket, "database_url": DATABASE} | values
    return Settings.model_validate(given)


def examine_with_fault(shop: Shop, fault: Fault, **changed: object) -> dict[str, Finding]:
    """The findings where a proxy answers some requests in the server's place."""
    shop.upload("a.jpg", b"photo", row=False)
    with faulty_proxy(shop.settings.s3_endpoint_url or "", fault) as url:
        found = examine(shop.settings, s3_endpoint_url=url, **changed)
    del found["bucket clock"]  # the proxy adds a second Date
    for page in shop.connections.models.list_pages("doctor/"):  # where a delete was refused
        shop.connections.models.delete_many([left.key for left in page])
    return found


def refuse(method: str, answer: Answer, *, where: str = "", unless: str = "\0") -> Fault:
    """Return a fault of the requests of one method whose path has `where`, but not `unless`."""

    def fault(asked: str, path: str) -> Answer | None:
        return answer if asked == method and where in path and unless not in path else None

    return fault


def test_well_configured_store_passes(oss: CloudStore) -> None:
    assert failures(examine(settings_of(oss))) == []
    assert list(oss.objects) == ["reviews/a.jpg"]


@pytest.mark.parametrize("vendor", [OSS, COS], ids=["oss", "cos"])
def test_path_style_where_it_is_refused(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud(vendor, tmp_path, monkeypatch) as store:
        found = examine(settings_of(store, s3_addressing="path"))
    assert failures(found) == BUCKETS
    for name in BUCKETS:
        assert found[name].remedy == "set MODERATION_S3_ADDRESSING=virtual"


def test_virtual_host_without_an_address(shop: Shop) -> None:
    url = (shop.settings.s3_endpoint_url or "").replace("127.0.0.1", "localhost")
    found = examine(shop.settings, s3_endpoint_url=url, s3_addressing="virtual")
    assert failures(found) == BUCKETS
    for name in BUCKETS:
        assert found[name].remedy == "set MODERATION_S3_ADDRESSING=path"


def test_wrong_region(oss: CloudStore) -> None:
    found = examine(settings_of(oss, s3_region="cn-elsewhere"))
    assert failures(found) == BUCKETS
    assert "MODERATION_S3_REGION" in found["photo bucket"].remedy


@pytest.mark.parametrize(("accepted", "asked"), [("v2", "v4"), ("v4", "v2")])
def test_wrong_signature_version(accepted: str, asked: str, oss: CloudStore) -> None:
    oss.signature = accepted
    found = examine(settings_of(oss, s3_signature=asked))
    assert failures(found) == BUCKETS
    assert found["photo bucket"].remedy == f"set MODERATION_S3_SIGNATURE={accepted}"


def test_static_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_DATABASE_URL", DATABASE)
    monkeypatch.setenv("MODERATION_S3_CREDENTIALS", "static")
    ((name, finding),) = library_findings()
    assert (name, finding.state) == ("settings", CheckStatus.FAILED)
    for part in ("MODERATION_S3_ACCESS_KEY", "set chain"):
        assert part in finding.message


@pytest.fixture
def gate(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenGate]:
    use_no_source(monkeypatch, tmp_path)
    with token_gate(shop.settings) as gate:
        yield gate


def _static(issued: Issued) -> dict[str, str]:
    return {
        "s3_access_key": issued.access_key,
        "s3_secret_key": issued.secret_key,
        "s3_session_token": issued.token,
    }


def test_role_is_found(shop: Shop, gate: TokenGate, monkeypatch: pytest.MonkeyPatch) -> None:
    with credential_sources(gate) as sources:
        use_machine_role(monkeypatch, sources)
        found = examine(shop.settings, s3_endpoint_url=gate.url, **CHAIN)
    assert failures(found) == []
    assert "iam-role" in found["credentials"].message


def test_chain_without_a_role(shop: Shop, gate: TokenGate) -> None:
    found = examine(shop.settings, s3_endpoint_url=gate.url, **CHAIN)
    assert failures(found) == ["credentials"]
    assert "found no credentials" in found["credentials"].message
    assert "give this machine or pod a role" in found["credentials"].remedy
    assert found["photo bucket"].state is CheckStatus.SKIPPED


def test_expired_session_token(shop: Shop, gate: TokenGate) -> None:
    issued = gate.issue()
    gate.expire_all()
    found = examine(shop.settings, s3_endpoint_url=gate.url, **_static(issued))
    assert failures(found) == BUCKETS
    assert "ExpiredToken" in found["photo bucket"].message
    assert "MODERATION_S3_SESSION_TOKEN" in found["photo bucket"].remedy


def test_temporary_key_without_its_token(shop: Shop, gate: TokenGate) -> None:
    values = _static(gate.issue()) | {"s3_session_token": None}
    found = examine(shop.settings, s3_endpoint_url=gate.url, **values)
    assert failures(found) == ["credentials"]
    assert "ASIA" in found["credentials"].message
    assert "set MODERATION_S3_SESSION_TOKEN" in found["credentials"].remedy


def test_session_token_of_other_keys(shop: Shop, gate: TokenGate) -> None:
    values = _static(gate.issue()) | {"s3_session_token": "another"}
    found = examine(shop.settings, s3_endpoint_url=gate.url, **values)
    assert failures(found) == BUCKETS
    assert "set MODERATION_S3_SESSION_TOKEN" in found["photo bucket"].remedy


DENIED = s3_error(403, "AccessDenied")


@pytest.mark.parametrize(
    ("fault", "check", "remedy"),
    [
        (refuse("GET", DENIED, where="prefix=reviews"), "photo bucket", "list: s3:ListBucket"),
        (refuse("GET", DENIED, where="a.jpg"), "photo bucket", "get: s3:GetObject"),
        (refuse("GET", DENIED, where="prefix=models"), "model bucket", "list: s3:ListBucket"),
        (refuse("PUT", DENIED), "model bucket", "put: s3:PutObject"),
        (refuse("GET", DENIED, where="/doctor/"), "model bucket", "get: s3:GetObject"),
        (refuse("DELETE", DENIED), "model bucket", "delete: s3:DeleteObject"),
    ],
    ids=["photos-list", "photos-get", "models-list", "models-put", "models-get", "models-delete"],
)
def test_missing_right_is_named(fault: Fault, check: str, remedy: str, shop: Shop) -> None:
    found = examine_with_fault(shop, fault)
    assert failures(found) == [check]
    assert remedy in found[check].remedy


def test_aws_chunked_refused(shop: Shop) -> None:
    message = "aws-chunked encoding is not supported with the specified x-amz-content-sha256 value."
    body = f"<Error><Code>InvalidArgument</Code><Message>{message}</Message></Error>"
    answer = Answer(400, [("Content-Type", "application/xml")], body.encode())
    found = examine_with_fault(shop, refuse("PUT", answer))
    assert failures(found) == ["model bucket"]
    assert "a proxy in between changes the requests" in found["model bucket"].remedy


def _unless_none(asked: dict[str, str]) -> tuple[int, str] | None:
    return (400, "InvalidArgument") if asked else None


def _unless_encrypted(asked: dict[str, str]) -> tuple[int, str] | None:
    return None if asked else (403, "AccessDenied")


def _of_key(*, code: str) -> Callable[[dict[str, str]], tuple[int, str] | None]:
    return lambda asked: (403, code) if "aws:kms" in asked.values() else None


KMS = {"s3_sse": "aws:kms", "s3_sse_key_id": "key-1"}


@pytest.mark.parametrize(
    ("refusal", "values", "remedy"),
    [
        (_unless_none, {"s3_sse": "AES256"}, "set MODERATION_S3_SSE=none"),
        (_of_key(code="AccessDenied"), KMS, "kms:GenerateDataKey"),
        (_of_key(code="KMS.NotFoundException"), KMS, "check MODERATION_S3_SSE_KEY_ID"),
        (
            _of_key(code="InvalidArgument"),
            {"s3_sse": "aws:kms"},
            "name one in MODERATION_S3_SSE_KEY_ID",
        ),
        (_unless_encrypted, {}, "set MODERATION_S3_SSE=AES256"),
    ],
    ids=["refused", "key-forbidden", "key-absent", "key-id-missing", "demanded"],
)
def test_encryption_that_the_store_refuses(
    refusal: Callable[[dict[str, str]], tuple[int, str] | None],
    values: dict[str, str],
    remedy: str,
    oss: CloudStore,
) -> None:
    oss.refuse_encryption = refusal
    found = examine(settings_of(oss, **values))
    assert failures(found) == ["model bucket"]
    assert remedy in found["model bucket"].remedy
    assert list(oss.objects) == ["reviews/a.jpg"]


@pytest.mark.parametrize("vendor", [OSS, COS], ids=["oss", "cos"])
def test_archived_photos(vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cloud(vendor, tmp_path, monkeypatch) as store:
        store.archived.add("reviews/a.jpg")
        found = examine(settings_of(store))["photo bucket"]
        store.objects["reviews/b.jpg"] = b"photo"
        some = examine(settings_of(store))["photo bucket"]
    assert found.state is CheckStatus.FAILED
    assert "restore them" in found.remedy
    assert some.state is CheckStatus.OK
    assert "the first 1 photos are archived" in some.message
    assert "restore them" in some.remedy


def test_authority_that_is_not_known(oss: CloudStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE")
    found = examine(settings_of(oss))
    assert failures(found) == ["bucket clock", *BUCKETS]
    for name in failures(found):
        assert "AWS_CA_BUNDLE" in found[name].remedy


@pytest.mark.parametrize("text", [None, "no certificate"], ids=["missing", "not-pem"])
def test_bundle_of_authorities_that_cannot_be_read(
    text: str | None, oss: CloudStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    if text:
        bundle.write_text(text)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    found = examine(settings_of(oss))
    assert failures(found) == ["bucket clock", *BUCKETS]
    for name in failures(found):
        assert found[name].remedy == BUNDLE, found[name]


def test_proxy_that_does_not_answer(oss: CloudStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    found = examine(settings_of(oss))
    assert failures(found) == ["bucket clock", *BUCKETS]
    for name in BUCKETS:
        assert "HTTPS_PROXY" in found[name].remedy


def test_page_of_a_proxy_in_place_of_the_storage(shop: Shop) -> None:
    page = Answer(200, [("Content-Type", "text/html")], b"<html>log in</html>")
    found = examine_with_fault(shop, lambda *_: page)
    assert failures(found)[-2:] == BUCKETS
    for name in BUCKETS:
        assert "proxies" in found[name].remedy


def test_clock_that_the_storage_refuses(shop: Shop) -> None:
    found = examine_with_fault(shop, lambda *_: s3_error(403, "RequestTimeTooSkewed"))
    assert "NTP" in found["photo bucket"].remedy
