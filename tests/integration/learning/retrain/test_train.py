import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from structlog.testing import capture_logs

from ml.core.errors import ModelHashMismatch, ObjectNotFound, RunNotStarted, TrainingError
from ml.core.manifest import ListedPhoto, Manifest, Split
from ml.core.types import EpochResult
from ml.learning.retrain.calibrate import calibrate
from ml.learning.retrain.train import train_candidate
from ml.learning.retrain.training_artifact import TrainingArtifact, load_artifact
from ml.learning.retrain.unlabelled import SHARES
from ml.models.checkpoint import build_network
from ml.policy.schema import load_policy
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from ml.storage.model_versions import load_card
from ml.storage.photo_cache import cache_photo
from ml.vision.images.preprocess import normalize, prepare
from tests.integration.learning.retrain.snapshot_fixtures import (
    PARTS,
    begin_month,
    keep_photos,
    labelled,
    write_preset,
)
from tests.support.champion import SPEC
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[4]


class Recorder:
    """Records the epochs and whether photos were read."""

    def __init__(self) -> None:
        self.epochs: list[EpochResult] = []
        self.read = 0

    def on_decoded(self, done: int, _total: int) -> None:
        """Record the number of photos."""
        self.read = done

    def on_step(self, done: int, total: int, loss: float, accuracy: float) -> None:
        """Ignored."""

    def on_epoch(self, result: EpochResult) -> None:
        """Record the epoch."""
        self.epochs.append(result)


def _train(shop: Shop, run_id: str = "month", told: Recorder | None = None) -> str:
    return train_candidate(
        run_id,
        settings=shop.settings,
        connections=shop.connections,
        progress=told or Recorder(),
    )


def _objects(shop: Shop, key: str) -> set[str]:
    pages = shop.connections.models.list_pages(f"training/{key}/")
    return {o.key.rsplit("/", 1)[-1] for page in pages for o in page}


def _of(manifest: Manifest, part: Split) -> list[str]:
    return [photo.content_sha256 for photo in manifest.photos_in(part)]


def _logits(shop: Shop, trained: TrainingArtifact, content_sha256: str) -> torch.Tensor:
    """By the plain network, from the archived bytes."""
    network = build_network(len(trained.classes))
    network.load_state_dict(trained.state)
    network.eval()
    with Image.open(shop.settings.data_dir / "labelled" / content_sha256) as image:
        pixels = prepare(image.convert("RGB"), trained.preprocessing)
    with torch.inference_mode():
        batch = normalize(torch.from_numpy(pixels)[None], trained.preprocessing)
        logits: torch.Tensor = network(batch)[0]
    return logits


def test_training_goes_on_from_a_champion_of_another_fit(shop: Shop, tmp_path: Path) -> None:
    """The champion cuts the center square; the preset, and thus the candidate, squashes."""
    whole = SPEC.model_copy(update={"fit": "squash"})
    preset = write_preset(tmp_path, epochs=1, head="fitted", preprocessing=whole)
    begin_month(shop, keep_photos(shop, PARTS), preset=preset)
    trained = load_artifact(shop.connections.models, _train(shop))
    assert trained.preprocessing == whole
    run = in_transaction(shop.connections.engine, lambda c: retrain_runs.load(c, "month"))
    assert run.starts is not None
    assert "champion" in {start["kind"] for start in run.starts}
    calibrated = calibrate(
        "month", _train(shop), settings=shop.settings, connections=shop.connections
    )
    card = in_transaction(shop.connections.engine, lambda c: load_card(c, calibrated))
    assert card is not None
    assert card["preprocessing"]["fit"] == "squash"


def test_training_artifact_has_weights_logits_and_facts(shop: Shop, tmp_path: Path) -> None:
    photos = keep_photos(shop, PARTS)
    photos = [
        p.model_copy(update={"weight": 10.0, "route": "spot_check"}) if i % 3 == 0 else p
        for i, p in enumerate(photos)
    ]
    manifest = begin_month(shop, photos, preset=write_preset(tmp_path))
    told = Recorder()
    key = _train(shop, told=told)
    trained = load_artifact(shop.connections.models, key)

    stored = {"weights.safetensors", "logits.safetensors", "others.safetensors", "result.json"}
    assert _objects(shop, key) == stored
    assert [e.number for e in trained.history] == list(range(1, 1 + len(trained.history)))
    assert (trained.classes, trained.seed, trained.preset) == (("normal", "violate"), 5, "tiny")
    assert (trained.pretrained_weights.kind, trained.pretrained_weights.detail) == (
        "champion",
        shop.model_hash,
    )
    assert trained.train_hashes == _of(manifest, Split.TRAIN)
    assert trained.training_images == 52
    assert told.read == 52  # golden photos are not even read

    held_out = manifest.photos_in(Split.TRAIN)
    assert trained.held_out_hashes == [p.content_sha256 for p in held_out]
    assert trained.held_out_logits.dtype == np.float32
    assert trained.held_out_labels.tolist() == [int(p.label == "violate") for p in held_out]
    assert trained.held_out_weights.tolist() == [p.weight for p in held_out]
    assert trained.held_out_groups.tolist() == [p.group for p in held_out]
    assert trained.around is None  # the preset fits no head to frozen features
    # The network saw these photos, their logits are of networks that did not.
    logits = _logits(shop, trained, trained.held_out_hashes[3])
    assert not np.allclose(trained.held_out_logits[3], logits, atol=1e-4)
    [result] = [row for row in trained.compared if row["chosen"]]
    assert (result["kind"], result["photos"]) == ("champion", 52)
    assert (trained.probe_pixels.shape, trained.probe_pixels.dtype) == ((8, 3, 32, 32), torch.uint8)


def test_finished_training_is_not_repeated_and_damaged_files_raise(
    shop: Shop, tmp_path: Path
) -> None:
    begin_month(shop, keep_photos(shop, PARTS), preset=write_preset(tmp_path, epochs=1))
    key, store = _train(shop), shop.connections.models
    before = store.get(f"training/{key}/result.json")
    store.put(f"training/{key}/checkpoint-x-0.safetensors", b"killed before it was removed")
    again = Recorder()
    assert _train(shop, told=again) == key
    assert (again.read, again.epochs) == (0, [])
    assert store.get(f"training/{key}/result.json") == before
    assert "checkpoint-x-0.safetensors" not in _objects(shop, key)

    store.put(f"training/{key}/logits.safetensors", b"other")
    with pytest.raises(ModelHashMismatch, match=r"logits\.safetensors"):
        load_artifact(store, key)
    with pytest.raises(ObjectNotFound):
        load_artifact(store, "0" * 64)


def test_treatment_of_label_issues_changes_the_training_key(shop: Shop, tmp_path: Path) -> None:
    policy = load_policy(shop.settings.policy_file)
    kept = policy.model_copy(
        update={
            "retraining": policy.retraining.model_copy(
                update={
                    "label_issues": policy.retraining.label_issues.model_copy(
                        update={"action": "keep"}
                    )
                }
            )
        }
    )
    preset = write_preset(tmp_path, epochs=1)
    manifest = begin_month(shop, keep_photos(shop, PARTS), preset=preset, policy=kept)
    key = _train(shop)
    content = _of(manifest, Split.TRAIN)[0]
    label = next(p.label for p in manifest.photos if p.content_sha256 == content)
    shop.execute(
        "insert into moderation.label_issue values (:snapshot, :content, :label, 'other', 0.1)",
        snapshot=manifest.snapshot_hash,
        content=content,
        label=label,
    )
    assert _train(shop) == key  # found again: the doubt changes nothing
    shop.execute(
        "update moderation.retrain_run set policy = cast(:policy as jsonb)",
        policy=policy.model_dump_json(),
    )
    other = _train(shop)
    assert other != key
    assert content in load_artifact(shop.connections.models, other).held_out_hashes


def test_photo_that_cannot_be_decoded_is_excluded_with_a_warning(
    shop: Shop, tmp_path: Path
) -> None:
    broken = cache_photo(shop.connections.models, b"no photo " + os.urandom(8))
    photos = [*keep_photos(shop, PARTS), labelled(broken, bright=True, part=Split.TRAIN)]
    begin_month(shop, photos, preset=write_preset(tmp_path, epochs=1))
    with capture_logs() as logs:
        trained = load_artifact(shop.connections.models, _train(shop))
    assert broken not in trained.train_hashes
    warned = [e for e in logs if e["log_level"] == "warning"]
    assert warned[0]["reasons"] == {"not_an_image": 1}
    assert warned[0]["photos"] == [f"normal/{broken}"]


def test_training_without_a_champion_starts_from_pretrained_weights(
    shop: Shop, tmp_path: Path
) -> None:
    preset = write_preset(tmp_path, epochs=1)
    begin_month(shop, keep_photos(shop, PARTS), preset=preset, champion=False)
    settings = shop.settings.model_copy(update={"pretrained_weights": "none"})
    key = train_candidate("month", settings=settings, connections=shop.connections)
    assert load_artifact(shop.connections.models, key).pretrained_weights.kind == "scratch"


def test_champion_of_another_architecture_is_not_continued_from(shop: Shop, tmp_path: Path) -> None:
    preset = write_preset(tmp_path, epochs=1, head="fitted")
    begin_month(shop, keep_photos(shop, PARTS), preset=preset)
    settings = shop.settings.model_copy(update={"architecture": "efficientnet_lite0"})
    key = train_candidate("month", settings=settings, connections=shop.connections)
    trained = load_artifact(shop.connections.models, key)
    assert trained.architecture == "efficientnet_lite0"
    assert trained.pretrained_weights.kind == "imagenet"
    assert trained.head_inverse_penalty is not None
    assert trained.state["classifier.weight"].shape == (2, 1280)
    assert _train(shop) != key  # the setting's default is the champion's
    of_scratch = settings.model_copy(update={"pretrained_weights": "none"})
    other = train_candidate("month", settings=of_scratch, connections=shop.connections)
    assert other != key


def test_unlabelled_photos_are_read_where_the_teacher_is_and_named_by_the_key(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = write_preset(tmp_path, epochs=0, head="fitted", start="pretrained_weights")
    listed = []
    for number in range(12):
        data = photo(BRIGHT if number % 2 else DARK, seed=88_000 + number)
        key = shop.upload(f"unlabelled-{number}.jpg", data, row=False)
        content = hashlib.sha256(data).hexdigest()
        listed.append(ListedPhoto(content_sha256=content, object_key=key))
    shop.connections.photos.delete_many([listed[0].object_key])
    begin_month(shop, keep_photos(shop, PARTS), preset=preset, unlabelled=listed)
    with capture_logs() as logs:
        key = _train(shop)
    [compared] = [e for e in logs if e["event"] == "soft labels compared"]
    assert compared["photos"] == 11  # one was deleted since
    assert set(compared["losses"]) == {0.0, *SHARES}
    [result] = [r for r in load_artifact(shop.connections.models, key).compared if r["chosen"]]
    assert result["soft_share"] in {0.0, *SHARES}
    assert result["label_weighting"]["own_share"] is None  # there are no others
    monkeypatch.setattr("ml.learning.retrain.train.has_teacher", lambda: False)
    assert _train(shop) != key


def test_class_in_a_single_fold_stops_before_training(shop: Shop, tmp_path: Path) -> None:
    photos = [p for p in keep_photos(shop, PARTS) if p.fold == 0 or p.label == "normal"]
    begin_month(shop, photos, preset=write_preset(tmp_path))
    told = Recorder()
    with pytest.raises(TrainingError, match="too few photos of violate"):
        _train(shop, told=told)
    assert told.epochs == []


def test_photos_that_the_champion_was_trained_on_are_no_evidence(
    shop: Shop, tmp_path: Path
) -> None:
    photos = [p.model_copy(update={"seen": p.fold == 0}) for p in keep_photos(shop, PARTS)]
    begin_month(shop, photos, preset=write_preset(tmp_path, epochs=1))
    trained = load_artifact(shop.connections.models, _train(shop))
    seen = {p.content_sha256 for p in photos if p.seen}
    assert len(trained.train_hashes) == 52
    assert set(trained.held_out_hashes) == set(trained.train_hashes) - seen


def test_training_without_a_snapshot_raises(shop: Shop, tmp_path: Path) -> None:
    begin_month(shop, keep_photos(shop, {Split.TRAIN: 2}), preset=write_preset(tmp_path))
    shop.execute("update moderation.retrain_run set snapshot_hash = null")
    with pytest.raises(RunNotStarted, match="snapshot_labels"):
        _train(shop)


def test_error_names_a_damaged_local_copy(shop: Shop, tmp_path: Path) -> None:
    photos = keep_photos(shop, PARTS)
    begin_month(shop, photos, preset=write_preset(tmp_path))
    cache = shop.settings.data_dir / "labelled"
    cache.mkdir(parents=True)
    whole = shop.connections.models.get(f"labelled/{photos[0].content_sha256}")
    (cache / photos[1].content_sha256).write_bytes(whole + b"\0")
    with pytest.raises(ModelHashMismatch, match=photos[1].content_sha256):
        _train(shop)


# In the middle of the epoch after the first it says so, and waits to be killed.
_CHILD = """
import sys, time, torch
from contextlib import closing
from ml.storage.connections import open_connections
from ml.learning.retrain.train import train_candidate
from ml.core.settings import load_settings
from ml.models.training.progress import LogListener

class Waiting(LogListener):
    def on_step(self, done, total, loss, accuracy):
        if done > total // 3 + 1:
            print("in the second epoch", flush=True)
            time.sleep(600)

torch.set_num_threads(1)
settings = load_settings()
with closing(open_connections(settings)) as connections:
    train_candidate("month", settings=settings, connections=connections, progress=Waiting())
"""


def _environment(shop: Shop) -> dict[str, str]:
    s = shop.settings
    secrets = {
        "DATABASE_URL": s.database_url,
        "S3_ACCESS_KEY": s.s3_access_key,
        "S3_SECRET_KEY": s.s3_secret_key,
    }
    plain = {"S3_ENDPOINT_URL": s.s3_endpoint_url, "DATA_DIR": s.data_dir, "DEVICE": "cpu"}
    values = {k: v.get_secret_value() for k, v in secrets.items() if v} | plain
    return os.environ | {f"MODERATION_{k}": str(v) for k, v in values.items()}


def _kill_in_the_second_epoch(shop: Shop) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD],
        cwd=ROOT,
        env=_environment(shop),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        lines = iter(process.stdout or [])
        said = any("in the second epoch" in line for line in lines)
        os.kill(process.pid, signal.SIGKILL)
    assert said, "the process ended before its second epoch"


@pytest.mark.slow
def test_training_killed_in_the_second_epoch_ends_as_an_unbroken_one(
    shop: Shop, tmp_path: Path
) -> None:
    photos = keep_photos(shop, PARTS)
    preset = write_preset(
        tmp_path,
        start="pretrained_weights",
        epochs=3,
        optimizer={"kind": "adamw", "lr": 0.001, "weight_decay": 0.05},
        schedule={"kind": "one_cycle", "pct_start": 0.3},
    )
    begin_month(shop, photos, preset=preset)
    before = _epoch_checkpoints(shop)  # of other tests: the bucket is everyone's
    _kill_in_the_second_epoch(shop)
    (checkpoint,) = _epoch_checkpoints(shop) - before

    told = Recorder()
    with capture_logs() as logs:
        key = _train(shop, told=told)
    assert checkpoint.startswith(f"training/{key}/checkpoint-")
    assert [e["epochs_done"] for e in logs if e["event"] == "training resumes"] == [1]
    assert told.epochs[0].number == 2
    resumed = load_artifact(shop.connections.models, key)

    for name in _objects(shop, key):  # the unbroken run, from nothing
        shop.connections.models.delete(f"training/{key}/{name}")
    assert _train(shop) == key
    unbroken = load_artifact(shop.connections.models, key)
    assert _bytes(resumed) == _bytes(unbroken)
    assert _timeless(resumed.history) == _timeless(unbroken.history)
    assert np.array_equal(resumed.held_out_logits, unbroken.held_out_logits)


def _epoch_checkpoints(shop: Shop) -> set[str]:
    pages = shop.connections.models.list_pages("training/")
    return {o.key for page in pages for o in page if "/checkpoint-" in o.key}


def _bytes(trained: TrainingArtifact) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in trained.state.items()}


def _timeless(history: list[EpochResult]) -> list[str]:
    return [json.dumps(dataclasses.asdict(e) | {"seconds": 0}) for e in history]
