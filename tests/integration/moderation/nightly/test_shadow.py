"""A nightly run with a shadow: champion verdicts are unchanged, shadow verdicts have no effect."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ml.core.errors import StorageUnavailable
from ml.models import registry
from ml.moderation.nightly.score_shard import score_shard
from ml.storage import shadow_verdicts
from ml.storage.connections import open_connections
from ml.storage.database import in_transaction
from tests.support.champion import SPEC
from tests.support.faulty_proxy import faulty_proxy
from tests.support.nightly_run import dump_results, finish_run, run_nightly, start_run
from tests.support.photos import BRIGHT, DARK, MIDDLE, photo
from tests.support.servers import Shop
from tests.support.versions import add_altered_version, add_version, add_version_row

pytestmark = pytest.mark.integration

PHOTOS = 12
_NIGHT = (
    "audit_image", "audit_shard", "audit_run", "verdict", "quarantine", "review_task", "image",
)  # fmt: skip
_SHADOWED = "select content_sha256, decision, scores from moderation.shadow_verdict order by 1"


@pytest.fixture
def uploaded(shop: Shop) -> Shop:
    for i in range(PHOTOS):
        # Large enough to be decoded at a reduced scale.
        shop.upload(f"{i:02}.jpg", photo((BRIGHT, DARK, MIDDLE)[i % 3], seed=i, size=(320, 240)))
    shop.upload("broken.jpg", b"no photo")
    return shop


def _request(shop: Shop, version: str) -> None:
    in_transaction(shop.connections.engine, lambda c: shadow_verdicts.request(c, version))


def _forget_the_night(shop: Shop) -> None:
    # Not `truncate`: labels refer to tasks, and are append-only.
    for table in _NIGHT:
        shop.execute(f"delete from moderation.{table}")  # noqa: S608 - names from the line above
    shop.execute("update commerce.review_image set moderation_status='pending', moderated_at=null")


def test_champion_verdicts_are_equal_with_and_without_a_shadow(
    uploaded: Shop, tmp_path: Path
) -> None:
    run_nightly(uploaded)
    alone = dump_results(uploaded)
    _forget_the_night(uploaded)
    add_version(uploaded, tmp_path / "small")
    larger = SPEC.model_copy(update={"resize": 120, "crop": 100})
    _request(
        uploaded,
        add_altered_version(uploaded, tmp_path / "small", tmp_path / "large", preprocessing=larger),
    )
    report = run_nightly(uploaded)
    assert dump_results(uploaded) == alone
    assert len(uploaded.rows(_SHADOWED)) == PHOTOS
    assert report["seconds"]["shadow"] > 0


@pytest.mark.parametrize("changed", [{"resize": 40}, {"resize": 120}, {"fit": "squash"}])
def test_shadow_verdicts_equal_those_it_has_as_champion(
    uploaded: Shop, tmp_path: Path, changed: dict[str, object]
) -> None:
    add_version(uploaded, tmp_path / "version")
    spec = SPEC.model_copy(update=changed)
    version = add_altered_version(
        uploaded, tmp_path / "version", tmp_path / "v", preprocessing=spec
    )
    _request(uploaded, version)
    run_nightly(uploaded)
    shadowed = uploaded.rows(_SHADOWED)
    registry.promote(version, engine=uploaded.connections.engine, by="test", reason="test")
    run_nightly(uploaded, "as champion")
    own = uploaded.rows(
        "select content_sha256, decision, scores from moderation.verdict "
        "where model_hash = :h order by 1",
        h=version,
    )
    assert len(shadowed) == PHOTOS
    assert shadowed == own


def test_run_keeps_the_shadow_it_started_with(uploaded: Shop, tmp_path: Path) -> None:
    first = add_version(uploaded, tmp_path / "first")
    _request(uploaded, first)
    shards = start_run(uploaded)
    in_transaction(uploaded.connections.engine, lambda c: shadow_verdicts.withdraw(c, first))
    start_run(uploaded)
    for shard in shards:
        score_shard(shard, settings=uploaded.settings, connections=uploaded.connections)
    finish_run(uploaded)
    assert uploaded.rows("select shadow_hash from moderation.audit_run") == [(first,)]
    assert len(uploaded.rows(_SHADOWED)) == PHOTOS


def test_shadow_verdicts_are_written_once_after_a_kill(uploaded: Shop, tmp_path: Path) -> None:
    _request(uploaded, add_version(uploaded, tmp_path / "first"))
    for _ in range(2):
        for shard in start_run(uploaded):
            score_shard(shard, settings=uploaded.settings, connections=uploaded.connections)
        # As if the kill had lost the outcomes.
        uploaded.execute("update moderation.audit_image set outcome = null where etag != ''")
    assert len(uploaded.rows(_SHADOWED)) == PHOTOS


@pytest.mark.parametrize("what", ["other classes", "no bytes"])
def test_unusable_shadow_is_left_out_and_logged(
    what: str, uploaded: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    other = ("normal", "weapon")
    if what == "no bytes":
        version = add_version_row(uploaded, "c")
    else:
        version = add_altered_version(uploaded, champion_folder, tmp_path / "c", classes=other)
    _request(uploaded, version)
    with capture_logs() as logs:
        report = run_nightly(uploaded)
    assert [line["model_hash"] for line in logs if "no shadow" in line["event"]] == [version]
    assert uploaded.rows("select shadow_hash from moderation.audit_run") == [(None,)]
    assert report["judged"] == PHOTOS
    assert uploaded.rows(_SHADOWED) == []


@pytest.mark.usefixtures("no_waiting")
def test_bucket_that_fails_is_retried_and_does_not_drop_the_shadow(
    uploaded: Shop, tmp_path: Path
) -> None:
    version = add_version(uploaded, tmp_path / "shadow")
    _request(uploaded, version)
    settings = uploaded.settings
    with faulty_proxy(settings.s3_endpoint_url or "", lambda *_: 503) as url:
        behind = settings.model_copy(update={"s3_endpoint_url": url})
        with closing(open_connections(behind)) as failing:
            connections = replace(uploaded.connections, models=failing.models)
            with pytest.raises(StorageUnavailable):
                start_run(replace(uploaded, connections=connections))
    start_run(uploaded)
    assert uploaded.rows("select shadow_hash from moderation.audit_run") == [(version,)]


@pytest.mark.parametrize("what", ["no bytes", "no numbers"])
def test_shadow_that_fails_during_a_run_does_not_affect_it(
    what: str, uploaded: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    if what == "no bytes":
        version = add_version_row(uploaded, "c")
    else:
        version = add_altered_version(uploaded, champion_folder, tmp_path / "nan", spoil="nan")
    shards = start_run(uploaded)
    uploaded.execute("update moderation.audit_run set shadow_hash = :h", h=version)
    with capture_logs() as logs:
        for shard in shards:
            score_shard(shard, settings=uploaded.settings, connections=uploaded.connections)
    assert sum("shadow" in line["event"] for line in logs) == 1
    assert finish_run(uploaded)["judged"] == PHOTOS
    assert uploaded.rows(_SHADOWED) == []
