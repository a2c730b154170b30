"""Credentials of boto3's chain: each source, their renewal, and what the operator reads."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import structlog

from ml.core.errors import BucketForbidden, SettingsError, StorageUnavailable
from ml.storage.fast_read import MAX_DIFFERENCES
from ml.storage.object_store import RETRY_ATTEMPTS, ObjectStore
from ml.storage.s3_client import s3_client
from tests.support.credential_sources import (
    CredentialSources,
    credential_sources,
    use_container_role,
    use_machine_role,
    use_no_source,
    use_profile,
    use_web_identity,
)
from tests.support.servers import Shop
from tests.support.token_gate import Issued, TokenGate, token_gate

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_waiting")]

DATA = b"the bytes of this photo"
CHAIN = {"s3_credentials": "chain", "s3_access_key": None, "s3_secret_key": None}


@pytest.fixture
def gate(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenGate]:
    """The gate before the shop's photos, and no credentials for it yet."""
    use_no_source(monkeypatch, tmp_path)
    with token_gate(shop.settings) as gate:
        yield gate


@pytest.fixture
def sources(gate: TokenGate) -> Iterator[CredentialSources]:
    with credential_sources(gate) as sources:
        yield sources


@contextmanager
def open_store(shop: Shop, gate: TokenGate, **values: Any) -> Iterator[ObjectStore]:  # noqa: ANN401 - any setting
    given = shop.settings.model_dump() | {"s3_endpoint_url": gate.url} | CHAIN | values
    settings = type(shop.settings).model_validate(given)
    with closing(ObjectStore(s3_client(settings), settings.photo_bucket)) as store:
        yield store


@pytest.fixture(params=["machine", "container", "web identity", "profile"])
def source(
    request: pytest.FixtureRequest,
    gate: TokenGate,
    sources: CredentialSources,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], None]:
    """Each source in turn; calling it makes the source give other credentials."""
    renew: Callable[[], None] = {
        "machine": partial(use_machine_role, monkeypatch, sources),
        "container": partial(use_container_role, monkeypatch, sources, tmp_path),
        "web identity": partial(use_web_identity, monkeypatch, sources, tmp_path),
        "profile": partial(use_profile, monkeypatch, gate, tmp_path),
    }[request.param]
    renew()
    return renew


@pytest.mark.usefixtures("source")
def test_each_source_is_used_by_boto3_and_by_obstore(shop: Shop, gate: TokenGate) -> None:
    key = shop.upload("a.jpg", DATA, row=False)
    with open_store(shop, gate) as store:
        assert [store.get(key) for _ in range(3)] == [DATA] * 3
        store.put(f"{key}.copy", DATA)
        assert store.head(key).size_bytes == len(DATA)
        store.delete_many([f"{key}.copy"])
    assert gate.refused == []
    assert len([agent for agent in gate.agents if "Boto3" not in agent]) == 2
    assert len(gate.issued) == 1  # looked for once


def test_expired_credentials_are_renewed_and_the_request_sent_again(
    source: Callable[[], None],
    shop: Shop,
    gate: TokenGate,
) -> None:
    key = shop.upload("a.jpg", DATA, row=False)
    with open_store(shop, gate) as store:
        for _ in range(MAX_DIFFERENCES + 1):
            assert [store.get(key) for _ in range(2)] == [DATA] * 2
            gate.expire_all()
            source()
        store.put(f"{key}.copy", DATA)
        gate.expire_all()
        source()
        store.delete_many([f"{key}.copy"])
        assert store.get(key) == DATA
        gate.agents.clear()
        assert store.get(key) == DATA
        assert "Boto3" not in gate.agents[0]  # obstore has the new ones
    assert set(gate.refused) == {"ExpiredToken"}


def test_threads_that_are_refused_at_once_look_once_and_keep_obstore(
    shop: Shop, gate: TokenGate, sources: CredentialSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_machine_role(monkeypatch, sources)
    key, threads = shop.upload("a.jpg", DATA, row=False), MAX_DIFFERENCES + 3
    all_asked, first = Barrier(threads, timeout=10), iter([None] * threads)
    with open_store(shop, gate) as store:
        assert store.get(key) == DATA
        gate.expire_all()
        gate.before = lambda: None if next(first, True) else wait(all_asked)
        with ThreadPoolExecutor(threads) as pool:
            assert list(pool.map(store.get, [key] * threads)) == [DATA] * threads
        assert [store.get(key) for _ in range(2)] == [DATA] * 2
        gate.agents.clear()
        assert store.get(key) == DATA
    assert "Boto3" not in gate.agents[0]
    assert len(gate.issued) == 2


def wait(barrier: Barrier) -> None:
    barrier.wait()


def test_role_is_asked_again_before_its_credentials_expire(
    shop: Shop,
    gate: TokenGate,
    sources: CredentialSources,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_container_role(monkeypatch, sources, tmp_path)
    key = shop.upload("a.jpg", DATA, row=False)
    gate.lifetime = timedelta(minutes=9)
    with open_store(shop, gate) as store:
        assert store.get(key) == DATA
        gate.lifetime = timedelta(hours=6)
        assert [store.get(key) for _ in range(9)] == [DATA] * 9
    assert gate.refused == []
    assert len(gate.issued) > 1


def test_credentials_that_stay_refused_stop_with_the_remedy(
    shop: Shop, gate: TokenGate, sources: CredentialSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_machine_role(monkeypatch, sources)
    gate.before = gate.expire_all
    with open_store(shop, gate) as store, pytest.raises(BucketForbidden, match="renew them"):
        store.check("")
    assert gate.refused == ["ExpiredToken"] * 2


def _static(issued: Issued) -> dict[str, Any]:
    return {
        "s3_credentials": "static",
        "s3_access_key": issued.access_key,
        "s3_secret_key": issued.secret_key,
        "s3_session_token": issued.token,
    }


def test_token_of_the_settings_that_expired_stops_at_once(shop: Shop, gate: TokenGate) -> None:
    with open_store(shop, gate, **_static(gate.issue())) as store:
        store.check("")
        gate.expire_all()
        with pytest.raises(BucketForbidden, match="MODERATION_S3_SESSION_TOKEN"):
            store.check("")
    assert gate.refused == ["ExpiredToken"]


def test_temporary_keys_without_their_token_name_the_setting(shop: Shop, gate: TokenGate) -> None:
    values = _static(gate.issue()) | {"s3_session_token": None}
    with (
        open_store(shop, gate, **values) as store,
        pytest.raises(BucketForbidden, match="needs its MODERATION_S3_SESSION_TOKEN"),
    ):
        store.check("")


def test_token_of_other_keys_names_the_setting(shop: Shop, gate: TokenGate) -> None:
    values = _static(gate.issue()) | {"s3_session_token": "another"}
    with (
        open_store(shop, gate, **values) as store,
        pytest.raises(BucketForbidden, match="issued with these keys"),
    ):
        store.check("")


def test_machine_without_a_role_is_named_and_says_what_was_searched(
    shop: Shop, gate: TokenGate, sources: CredentialSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_machine_role(monkeypatch, sources)
    sources.has_role = False
    with open_store(shop, gate) as store, pytest.raises(BucketForbidden) as raised:
        store.check("")
    message = str(raised.value)
    for part in ("AWS_WEB_IDENTITY_TOKEN_FILE", "metadata service names no role", "hop limit"):
        assert part in message
    assert gate.refused == []


def test_metadata_service_that_does_not_answer_is_told_with_its_time(
    shop: Shop, gate: TokenGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    # No machine has this address (RFC 5737), as none answers in a network without the service.
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://192.0.2.1")
    with (
        structlog.testing.capture_logs() as logs,
        open_store(shop, gate) as store,
        pytest.raises(BucketForbidden, match=r"no credentials, in \d+\.\d s"),
    ):
        store.check("")
    (entry,) = [entry for entry in logs if entry["event"] == "looked for credentials"]
    assert entry["seconds"] < 5


def test_source_that_is_down_is_tried_again(
    shop: Shop,
    gate: TokenGate,
    sources: CredentialSources,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    use_container_role(monkeypatch, sources, tmp_path)
    sources.is_down = True
    with open_store(shop, gate) as store, pytest.raises(StorageUnavailable, match="credentials"):
        store.get("any")
    assert len(sources.requests) >= RETRY_ATTEMPTS


@pytest.mark.parametrize(
    ("code", "error", "remedy"),
    [
        ("AccessDenied", BucketForbidden, "trust policy"),
        ("ExpiredTokenException", BucketForbidden, "trust policy"),
        ("IDPCommunicationError", StorageUnavailable, ""),
    ],
)
def test_refusal_of_the_role_is_not_taken_for_the_buckets(
    code: str,
    error: type[Exception],
    remedy: str,
    *,
    shop: Shop,
    gate: TokenGate,
    sources: CredentialSources,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_web_identity(monkeypatch, sources, tmp_path)
    sources.sts_error = code
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with open_store(shop, gate) as store, pytest.raises(error) as raised:
        store.check("")
    assert type(raised.value) is error
    assert f"AssumeRoleWithWebIdentity answers {code}" in str(raised.value)
    assert remedy in str(raised.value)


def test_profile_that_does_not_exist_is_a_settings_error(
    shop: Shop, gate: TokenGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(SettingsError, match="AWS_PROFILE"), open_store(shop, gate):
        pass


def test_messages_and_logs_have_no_secret(
    shop: Shop, gate: TokenGate, sources: CredentialSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_machine_role(monkeypatch, sources)
    gate.before = gate.expire_all
    with (
        structlog.testing.capture_logs() as logs,
        open_store(shop, gate) as store,
        pytest.raises(BucketForbidden) as raised,
    ):
        store.check("")
    told = f"{raised.value!r} {logs} {store!r}"
    assert logs
    for issued in gate.issued.values():
        assert issued.secret_key not in told
        assert issued.token not in told
