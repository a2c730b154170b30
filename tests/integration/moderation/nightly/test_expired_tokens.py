"""Temporary credentials that expire in the middle of a shard."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml.core.errors import BucketForbidden
from ml.core.s3_settings import S3Settings
from ml.moderation.nightly.score_shard import score_shard
from ml.storage.connections import Connections
from ml.storage.object_store import ObjectStore
from ml.storage.s3_client import s3_client
from tests.support.credential_sources import credential_sources, use_machine_role, use_no_source
from tests.support.nightly_run import finish_run, start_run
from tests.support.photos import photo
from tests.support.servers import Shop
from tests.support.token_gate import TokenGate, token_gate

pytestmark = pytest.mark.integration
PHOTOS = 40
REQUESTS_A_TOKEN = 15


@pytest.fixture
def gate(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenGate]:
    """A gate whose credentials expire every few requests; the machine has a role."""
    use_no_source(monkeypatch, tmp_path)
    for i in range(PHOTOS):
        shop.upload(f"{i:03}.jpg", photo(seed=i))
    with token_gate(shop.settings) as gate, credential_sources(gate) as sources:
        use_machine_role(monkeypatch, sources)
        requests = 0

        def count() -> None:
            nonlocal requests
            requests += 1
            if requests % REQUESTS_A_TOKEN == 0:
                gate.expire_all()

        gate.before = count
        yield gate


@contextmanager
def _connect(shop: Shop, gate: TokenGate, **values: Any) -> Iterator[Connections]:  # noqa: ANN401 - any setting
    settings = S3Settings(s3_endpoint_url=gate.url, photo_bucket=shop.settings.photo_bucket)
    client = s3_client(settings.model_validate(settings.model_dump() | values))
    with closing(client):
        yield replace(shop.connections, photos=ObjectStore(client, settings.photo_bucket))


def test_role_is_renewed_in_a_shard_and_no_photo_fails(shop: Shop, gate: TokenGate) -> None:
    (shard,) = start_run(shop)
    with _connect(shop, gate) as connections:
        found = score_shard(shard, settings=shop.settings, connections=connections)
    assert found == {"judged": PHOTOS, "quarantined": 0}
    assert finish_run(shop)["judged"] == PHOTOS
    assert "ExpiredToken" in gate.refused
    assert len(gate.issued) > PHOTOS // REQUESTS_A_TOKEN
    assert any("Boto3" not in agent for agent in gate.agents)
    assert shop.rows("select max(fetch_failures) from moderation.audit_image") == [(0,)]


def test_expired_token_of_the_settings_stops_the_shard_and_quarantines_no_photo(
    shop: Shop, gate: TokenGate
) -> None:
    issued = gate.issue()
    values = {
        "s3_credentials": "static",
        "s3_access_key": issued.access_key,
        "s3_secret_key": issued.secret_key,
        "s3_session_token": issued.token,
    }
    (shard,) = start_run(shop)
    with (
        _connect(shop, gate, **values) as connections,
        pytest.raises(BucketForbidden, match=r"ExpiredToken.*MODERATION_S3_SESSION_TOKEN"),
    ):
        score_shard(shard, settings=shop.settings, connections=connections)
    assert shop.rows("select count(*) from moderation.quarantine") == [(0,)]
