import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml.core.errors import LabelImportError, StorageForbidden, StorageUnavailable
from ml.learning.labels.import_csv import LINES_PER_COMMIT, ImportResult, import_labels
from ml.policy.schema import load_policy
from ml.storage.connections import Connections
from ml.storage.labels import resolve_labels
from ml.storage.object_store import ObjectStore
from ml.vision.images.fingerprint import content_hash
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.proxied_shop import connections_through_proxy
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[4]
LABELS = (
    "select content_sha256, label, category, reviewer, route, sampling_rate, decided_at "
    "from moderation.human_label order by 1, 4, 7"
)
LABELS_WITHOUT_PHOTO = (
    "select count(*) from moderation.human_label where content_sha256 not in "
    "(select content_sha256 from moderation.archived_photo)"
)
PHOTOS = (
    "select content_sha256, object_key, review_id, size_bytes, width, height, pdq, pdq_quality "
    "from moderation.archived_photo order by 1"
)


def _import(shop: Shop, file: Path, connections: Connections | None = None) -> ImportResult:
    return import_labels(
        file,
        settings=shop.settings,
        connections=connections or shop.connections,
        policy=load_policy(shop.settings.policy_file),
    )


def _csv(folder: Path, *lines: str, header: str = "object_key,label") -> Path:
    file = folder / "labels.csv"
    file.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return file


def _reasons(result: ImportResult) -> dict[int, str]:
    return {refusal.line: refusal.reason.split(":")[0] for refusal in result.rejected}


def _kept(shop: Shop, data: bytes) -> bool:
    return shop.connections.models.get(f"labelled/{content_hash(data)}") == data


def test_labels_of_photos_in_bucket_and_folder_are_imported(shop: Shop, tmp_path: Path) -> None:
    bright, dark = photo(BRIGHT, seed=1, size=(80, 60)), photo(DARK, seed=2)
    key = shop.upload("a.jpg", bright)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.jpg").write_bytes(dark)
    file = _csv(
        tmp_path,
        f"{key},,normal,,,2026-10-31T09:00:00+08:00,,,",
        ",sub/b.jpg,violate,qr,ann,2026-10-31T02:00:00Z,r-9,spot_check,0.1",
        header="object_key,path,label,category,reviewer,decided_at,review_id,route,sampling_rate",
    )
    assert _import(shop, file) == ImportResult(imported=2)
    at = [datetime(2026, 10, 31, hour, tzinfo=UTC) for hour in (1, 2)]
    expected = [
        (content_hash(bright), "normal", None, "import", "import", 1.0, at[0]),
        (content_hash(dark), "violate", "qr", "ann", "spot_check", 0.1, at[1]),
    ]
    assert shop.rows(LABELS) == sorted(expected)
    kept = {row[0]: row[1:6] for row in shop.rows(PHOTOS)}
    assert kept == {
        content_hash(bright): (key, "1", len(bright), 80, 60),
        content_hash(dark): ("import:sub/b.jpg", "r-9", len(dark), 64, 48),
    }
    assert _kept(shop, bright)
    assert _kept(shop, dark)


def test_second_import_adds_nothing_even_after_other_lines_were_fixed(
    shop: Shop, tmp_path: Path
) -> None:
    keys = [shop.upload(f"{n}.jpg", photo(seed=n)) for n in range(3)]
    file = _csv(tmp_path, f"{keys[0]},normal", f"{keys[1]},violate", f"{keys[2]},spam")
    first = _import(shop, file)
    assert (first.imported, first.known, _reasons(first)) == (2, 0, {4: "unknown_class"})
    before = shop.rows(LABELS), shop.rows(PHOTOS)
    again = _import(shop, file)
    assert (again.imported, again.known) == (0, 2)
    assert (shop.rows(LABELS), shop.rows(PHOTOS)) == before
    corrected = _csv(tmp_path, f"{keys[0]},normal", f"{keys[1]},violate", f"{keys[2]},violate")
    os.utime(corrected, (time.time() - 60, time.time() - 60))
    assert _import(shop, corrected) == ImportResult(imported=1, known=2)


def test_different_label_in_a_later_file_is_a_new_decision(shop: Shop, tmp_path: Path) -> None:
    key = shop.upload("a.jpg", photo())
    for hours_ago, label in ((2, "normal"), (1, "violate")):
        file = _csv(tmp_path, f"{key},{label}")
        os.utime(file, (time.time() - 3600 * hours_ago,) * 2)
        assert _import(shop, file).imported == 1
    with shop.connections.engine.begin() as connection:
        (truth,) = resolve_labels(connection, as_of=datetime.now(UTC))
    assert (truth.label, truth.reviewers) == ("violate", 1)


def test_invalid_lines_are_rejected_with_reasons_and_valid_ones_imported(
    shop: Shop, tmp_path: Path
) -> None:
    good = shop.upload("good.jpg", photo())
    broken = shop.upload("broken.jpg", b"no photo at all")
    cut = shop.upload("cut.jpg", photo(size=(400, 300))[:2000])
    copy = shop.upload("copy.jpg", photo())
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(photo(seed=5))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.jpg").symlink_to(outside)
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    os.mkfifo(folder / "pipe.jpg")
    file = _csv(
        folder,
        f"{good},,normal",
        f"{good}x,,normal",
        f"{broken},,normal",
        f"{cut},,normal",
        f"{good},,spam",
        f"{copy},,violate",
        ",../outside.jpg,normal",
        f",{outside},normal",
        ",link.jpg,normal",
        ",loop.jpg,normal",
        ",pipe.jpg,normal",
        ",none.jpg,normal",
        f",{'x' * 300}.jpg,normal",
        ",.,normal",
        header="object_key,path,label",
    )
    result = _import(shop, file)
    assert result.imported == 1
    assert _reasons(result) == {
        3: "object_absent",
        4: "not_an_image",
        5: "truncated",
        6: "unknown_class",
        7: "contradiction",
        8: "forbidden",
        9: "forbidden",
        10: "forbidden",
        11: "object_absent",
        12: "object_absent",
        13: "object_absent",
        14: "unreachable",
        15: "object_absent",
    }
    assert "in line 2" in next(r.reason for r in result.rejected if r.line == 7)
    assert len(shop.rows(LABELS)) == len(shop.rows(PHOTOS)) == 1


def test_photo_over_the_size_limit_is_rejected(shop: Shop, tmp_path: Path) -> None:
    data = photo(size=(400, 300))
    small = replace(shop, settings=shop.settings.model_copy(update={"max_image_bytes": 2000}))
    (tmp_path / "a.jpg").write_bytes(data)
    file = _csv(tmp_path, f"{shop.upload('a.jpg', data)},,normal", ",a.jpg,normal",
                header="object_key,path,label")  # fmt: skip
    result = _import(small, file)
    assert _reasons(result) == {2: "too_many_bytes", 3: "too_many_bytes"}


def test_reviewers_may_disagree_and_a_repeated_label_is_known(shop: Shop, tmp_path: Path) -> None:
    key = shop.upload("a.jpg", photo())
    lines = (f"{key},normal,ann", f"{key},violate,bob", f"{key},normal,ann")
    result = _import(shop, _csv(tmp_path, *lines, header="object_key,label,reviewer"))
    assert result == ImportResult(imported=2, known=1)


@pytest.mark.parametrize(
    ("fault", "reason"), [(403, "forbidden"), (500, "unreachable"), (404, "object_absent")]
)
@pytest.mark.usefixtures("no_waiting")
def test_forbidden_absent_and_unreachable_photos_have_different_reasons(
    shop: Shop, tmp_path: Path, fault: int, reason: str
) -> None:
    keys = [shop.upload(name, photo(seed=n)) for n, name in enumerate(("a.jpg", "sick.jpg"))]
    file = _csv(tmp_path, *(f"{key},normal" for key in keys))

    with connections_through_proxy(
        shop, lambda _, path: fault if path.endswith("sick.jpg") else None
    ) as connections:
        result = _import(shop, file, connections)
    assert (result.imported, _reasons(result)) == (1, {3: reason})


@pytest.mark.parametrize(("fault", "error"), [(403, StorageForbidden), (503, StorageUnavailable)])
@pytest.mark.usefixtures("no_waiting")
def test_forbidden_bucket_fails_the_import_and_rejects_no_line(
    shop: Shop, tmp_path: Path, fault: int, error: type[Exception]
) -> None:
    file = _csv(tmp_path, f"{shop.upload('a.jpg', photo())},normal")
    with connections_through_proxy(shop, lambda *_: fault) as connections, pytest.raises(error):
        _import(shop, file, connections)
    assert shop.rows(LABELS) == []


def test_missing_bucket_fails_the_import_and_rejects_no_line(shop: Shop, tmp_path: Path) -> None:
    wrong = ObjectStore(shop.connections.photos._client, "no-such-bucket")
    connections = replace(shop.connections, photos=wrong)
    with pytest.raises(Exception, match="no-such-bucket"):
        _import(shop, _csv(tmp_path, "a.jpg,normal"), connections)


def test_file_with_an_unknown_column_is_rejected(shop: Shop, tmp_path: Path) -> None:
    key = shop.upload("a.jpg", photo())
    with pytest.raises(LabelImportError, match="unknown column 'colour'"):
        _import(shop, _csv(tmp_path, f"{key},normal,red", header="object_key,label,colour"))
    assert shop.rows(LABELS) == shop.rows(PHOTOS) == []


def test_progress_counts_committed_lines_only(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo())
    lines = [f"a.jpg,normal,r{n}" for n in range(2 * LINES_PER_COMMIT + 1)]
    file = _csv(tmp_path, *lines, header="path,label,reviewer")
    done: list[tuple[int, int]] = []
    result = import_labels(
        file,
        settings=shop.settings,
        connections=shop.connections,
        policy=load_policy(shop.settings.policy_file),
        progress=lambda lines: done.append((lines, _labels(shop))),
    )
    assert result.imported == len(lines)
    assert done == [(200, 200), (200, 400), (1, 401)]
    assert len(shop.rows(PHOTOS)) == 1


def _killed_in_the_middle(shop: Shop, file: Path) -> int:
    s = shop.settings
    values = {
        "DATABASE_URL": s.database_url and s.database_url.get_secret_value(),
        "S3_ACCESS_KEY": s.s3_access_key and s.s3_access_key.get_secret_value(),
        "S3_SECRET_KEY": s.s3_secret_key and s.s3_secret_key.get_secret_value(),
        "S3_ENDPOINT_URL": s.s3_endpoint_url,
        "DATA_DIR": s.data_dir,
    }
    environment = os.environ | {f"MODERATION_{name}": str(v) for name, v in values.items()}
    code = f"from ml.cli.main import app; app(['labels', 'import', {str(file)!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not _labels(shop) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return _labels(shop)


def _labels(shop: Shop) -> int:
    return int(str(shop.rows("select count(*) from moderation.human_label")[0][0]))


def test_import_killed_and_repeated_ends_the_same(shop: Shop, tmp_path: Path) -> None:
    photos, reviewers = 60, 10
    hashes = []
    for n in range(photos):
        data = photo(seed=n)
        hashes.append(content_hash(data))
        (tmp_path / f"{n}.jpg").write_bytes(data)
    lines = [f"{n}.jpg,normal,r{who}" for who in range(reviewers) for n in range(photos)]
    file = _csv(tmp_path, *lines, header="path,label,reviewer")
    killed_at = _killed_in_the_middle(shop, file)
    assert 0 < killed_at < len(lines)
    assert killed_at % LINES_PER_COMMIT == 0
    assert shop.rows(LABELS_WITHOUT_PHOTO) == [(0,)]
    assert _import(shop, file) == ImportResult(imported=len(lines) - killed_at, known=killed_at)
    said = [(row[0], row[3]) for row in shop.rows(LABELS)]
    assert said == [(h, f"r{who}") for h in sorted(hashes) for who in range(reviewers)]
    assert [row[0] for row in shop.rows(PHOTOS)] == sorted(hashes)
