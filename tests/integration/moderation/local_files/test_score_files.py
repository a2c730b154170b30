"""Local files get what a nightly run records for the same bytes, and nothing is written."""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import text

from devtools.sample_photos.photo import CATEGORIES
from devtools.sample_photos.render import render_photo
from ml.core.errors import ModelError, NoChampion, StorageUnavailable
from ml.models import registry
from ml.moderation.local_files.score_files import load_scorer
from ml.moderation.local_files.scored_file import ScoredFile
from ml.storage.database import in_transaction
from ml.vision.images.fingerprint import content_hash
from tests.integration.moderation.nightly.screened import (
    person_decides,
    task_of,
    with_code,
    with_policy,
)
from tests.integration.moderation.serving.photos import odd_photo
from tests.support.decided_photos import with_remembered_photos
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, DARK, MIDDLE, banner, photo
from tests.support.servers import Shop
from tests.support.versions import add_altered_version
from tests.unit.vision.images.animations import animated
from tests.unit.vision.images.pictures import encoded
from tests.unit.vision.screens.conftest import with_text

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

NOT_SCORED = ("empty", "not_an_image", "truncated", "too_small", "too_many_pixels")


def picture_of(brightness: int) -> Image.Image:
    """A picture that the test champion classifies by its brightness."""
    return Image.open(io.BytesIO(photo(brightness))).convert("RGB")


def score(shop: Shop, paths: Sequence[Path], **options: object) -> list[ScoredFile]:
    """Load and score."""
    scorer = load_scorer(shop.settings, shop.connections, **options)  # type: ignore[arg-type]  # handed through
    return list(scorer.score(paths))


def stored(folder: Path, contents: Sequence[bytes]) -> list[Path]:
    """A file for each of the contents."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number:03}.jpg" for number in range(len(contents))]
    for path, data in zip(paths, contents, strict=True):
        path.write_bytes(data)
    return paths


def recorded(shop: Shop) -> dict[str, tuple[object, ...]]:
    """What runs recorded: decision, reasons, scores, screens and threshold by content."""
    rows = shop.rows(
        "select content_sha256, decision, reasons, scores, screens, pass_confidence, model_hash, "
        "policy_version from moderation.verdict"
    )
    return {str(row[0]): row[1:] for row in rows}


def as_recorded(found: ScoredFile, setup: dict[str, object]) -> tuple[object, ...]:
    """The same columns of a scored file."""
    told = found.to_json()
    names = ("decision", "reasons", "scores", "screens")
    versions = ("pass_confidence", "model_version", "policy_version")
    return tuple([told[name] for name in names] + [setup[name] for name in versions])


def everything(shop: Shop) -> dict[str, object]:
    """A checksum of every table, and the objects of both buckets."""
    tables = shop.rows(
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_schema in ('moderation', 'commerce') and table_type = 'BASE TABLE'"
    )
    sums = {
        str(name): shop.rows(
            f"select count(*), md5(string_agg(t::text, ',' order by t::text)) from {name} t"  # noqa: S608 - our own tables
        )
        for (name,) in tables
    }
    parts = shop.connections
    buckets = {
        store.bucket: sorted((found.key, found.etag) for found in page)
        for store in (parts.photos, parts.models)
        for page in store.list_pages("")
    }
    return sums | buckets


def test_files_get_what_the_nightly_run_records_and_nothing_is_written(
    shop: Shop, tmp_path: Path
) -> None:
    screened = with_policy(shop, tmp_path, sharpness={}, codes={}, duplicates={})
    rendered = [render_photo(11, n, CATEGORIES[n % len(CATEGORIES)]).data for n in range(4)]
    plain = [photo(level, seed=level) for level in range(DARK, BRIGHT + 1, 25)]
    bright, dark = (picture_of(level) for level in (BRIGHT, DARK))
    moving = animated([bright, dark, bright], "WEBP", lossless=True)
    contents = [*rendered, *plain, with_code("https://elsewhere.example/x"), moving]
    paths = stored(tmp_path / "files", contents)
    for path in paths:
        screened.upload(path.name, path.read_bytes())
    run_nightly(screened)
    before = everything(screened)
    scorer = load_scorer(screened.settings, screened.connections)
    found = list(scorer.score(paths))
    assert everything(screened) == before
    assert [each.path for each in found] == [str(path) for path in paths]
    expected = recorded(screened)
    assert len(expected) == len(contents)
    for data, each in zip(contents, found, strict=True):
        assert as_recorded(each, scorer.describe()) == expected[content_hash(data)]
        assert each.seconds["decode"] > 0
        assert each.seconds["forward"] > 0
    assert {each.decision for each in found} == {"pass", "review"}
    assert ("code",) in {each.reasons for each in found}
    assert [each.frames for each in found] == [1] * (len(contents) - 1) + [3]
    assert found[-1].worst_view == {"frame": 1, "background": "white", "part": 0}
    assert found[-1].decision == "review"


def test_files_that_cannot_be_scored_have_the_reason_of_the_nightly_run(
    shop: Shop, tmp_path: Path
) -> None:
    paths = stored(tmp_path / "files", [odd_photo(kind) for kind in NOT_SCORED])
    for path in paths:
        shop.upload(path.name, path.read_bytes())
    run_nightly(shop)
    rows = shop.rows("select object_key, reason, detail from moderation.quarantine")
    recorded = {str(key).rpartition("/")[2]: (reason, detail) for key, reason, detail in rows}
    found = score(shop, paths)
    assert [each.decision for each in found] == ["quarantine"] * len(NOT_SCORED)
    for each in found:
        assert (each.reasons[0], each.detail) == recorded[Path(each.path).name]


def test_file_that_cannot_be_read_stops_no_other(shop: Shop, tmp_path: Path) -> None:
    [good] = stored(tmp_path / "files", [photo(BRIGHT)])
    missing, endless, pipe = (tmp_path / name for name in ("missing", "endless", "pipe"))
    endless.symlink_to(endless)
    os.mkfifo(pipe)
    found = score(shop, [missing, tmp_path, endless, pipe, good])
    assert [each.decision for each in found] == [*["unreadable"] * 4, "pass"]
    assert [each.detail for each in found] == [
        "No such file or directory",
        "not a regular file",
        "Too many levels of symbolic links",
        "not a regular file",
        "",
    ]
    assert found[0].to_json().keys() == found[-1].to_json().keys()


def test_photos_like_decided_ones_are_found_as_in_the_nightly_run(
    shop: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    ruled = with_remembered_photos(shop, champion_folder, tmp_path)
    contents = [photo(level, seed=level) for level in range(DARK, BRIGHT + 1, 50)]
    for number, data in enumerate(contents):
        ruled.upload(f"{number}.jpg", data)
    found = score(ruled, stored(tmp_path / "files", contents))
    run_nightly(ruled)
    expected = recorded(ruled)
    for data, each in zip(contents, found, strict=True):
        told = each.to_json()
        assert (told["decision"], told["reasons"], told["scores"], told["screens"]) == expected[
            content_hash(data)
        ][:4]
    assert found[-1].reasons == ("similar_violation:violate",)


def test_reviewers_decision_on_the_same_bytes_counts(shop: Shop, tmp_path: Path) -> None:
    screened = with_policy(shop, tmp_path, duplicates={})
    data = photo(MIDDLE, seed=5)
    paths = stored(tmp_path / "files", [data])
    key = screened.upload("asked.jpg", data)
    run_nightly(screened)
    assert score(screened, paths)[0].decision == "review"
    task_id = task_of(screened, key)[0]
    assert isinstance(task_id, int)
    person_decides(screened, task_id, "violate")
    [found] = score(screened, paths)
    assert (found.decision, found.reasons) == ("block", ("human_decision:violate",))


def test_text_is_read_without_the_budget_where_that_is_asked(shop: Shop, tmp_path: Path) -> None:
    budget = {"budget_share": 0.0, "min_text_likelihood": 0.0}
    screened = with_policy(shop, tmp_path, text=budget)
    paths = stored(tmp_path / "files", [encoded(with_text("VX 13812345678"), "JPEG", quality=95)])
    [unread] = score(screened, paths)
    assert unread.screens["text"].state == "not_run"
    [read] = score(screened, paths, read_all_text=True)
    assert read.screens["text"].state == "fired"
    assert read.screens["text"].reason in read.reasons


def test_text_of_a_photo_that_does_not_pass_is_read_only_where_that_is_asked(
    shop: Shop, tmp_path: Path
) -> None:
    screened = with_policy(shop, tmp_path, text={"budget_share": 1.0})
    paths = stored(tmp_path / "files", [banner("WeChat: lucky_mei77", bright=False)])
    [unread] = score(screened, paths)
    assert (unread.screens["text"].state, unread.screens["text"].reason) == (
        "not_run",
        "not_needed",
    )
    assert unread.reasons == ("violation:violate",)
    [read] = score(screened, paths, read_all_text=True)
    assert read.reasons == ("violation:violate", "contact:wechat")


def test_named_version_scores_in_place_of_the_champion(
    shop: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    strict = {"pass_confidence": 0.99999, "source": "test"}
    version = add_altered_version(shop, champion_folder, tmp_path / "strict", thresholds=strict)
    paths = stored(tmp_path / "files", [photo(160)])
    assert [each.decision for each in score(shop, paths)] == ["pass"]
    scorer = load_scorer(shop.settings, shop.connections, version=version[:12])
    assert scorer.describe()["model_version"] == version
    assert [each.decision for each in scorer.score(paths)] == ["review"]


def test_without_a_usable_version_nothing_is_scored(
    shop: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    broken = add_altered_version(shop, champion_folder, tmp_path / "broken", spoil="nan")
    for version in ("f" * 12, "latest", broken):
        with pytest.raises(ModelError):
            load_scorer(shop.settings, shop.connections, version=version)
    shop.execute("delete from moderation.champion")
    with pytest.raises(NoChampion, match="python -m ml train"):
        load_scorer(shop.settings, shop.connections)


@pytest.mark.usefixtures("no_waiting")
def test_connection_of_the_scorer_refuses_writes(shop: Shop) -> None:
    scorer = load_scorer(shop.settings, shop.connections)
    engine = scorer.connections.engine
    assert in_transaction(engine, registry.champion_hash) == shop.model_hash
    with pytest.raises(StorageUnavailable, match="read-only"):
        in_transaction(engine, lambda c: c.execute(text("delete from moderation.champion")))
    shop.execute("update moderation.champion set model_hash = model_hash")  # others may write
