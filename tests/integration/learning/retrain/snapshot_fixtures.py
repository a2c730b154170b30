"""A retraining run with a snapshot: small photos, their manifest, and the run's row."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from ml.core.manifest import GoldenSet, LabelledPhoto, ListedPhoto, Manifest, Split
from ml.models.training.folds import FOLDS
from ml.policy.schema import Policy, load_policy
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from ml.storage.photo_cache import cache_photo
from ml.storage.retrain_runs import RetrainRun
from ml.storage.snapshots import put_golden, put_manifest
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop
from tests.unit.models.training.pictures import tiny_preset

# Tests share the model bucket: another snapshot each, or one would find what another has trained.
_months = itertools.count()

PARTS = {Split.TRAIN: 52, Split.GOLDEN: 8}


def write_preset(folder: Path, **changes: object) -> str:
    """A small preset that continues from the champion; returns its path, which is its name.

    Plain SGD keeps checkpoints small: it has no state of its own.
    """
    light = {
        "start": "champion",
        "optimizer": {"kind": "sgd", "lr": 0.003, "momentum": 0.0},
        "schedule": {"kind": "step", "step_size": 7, "gamma": 0.1},
    }
    recipe = tiny_preset(**{**light, **changes}).model_dump(mode="json")
    del recipe["name"]
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return str(path)


def keep_photos(shop: Shop, counts: dict[Split, int]) -> list[LabelledPhoto]:
    """Bright `normal` and dark `violate` photos in turn, `counts` of them per split."""
    month = next(_months)
    parts = [part for part, count in counts.items() for _ in range(count)]
    found = []
    for number, part in enumerate(parts):
        bright = number % 2 == 0
        data = photo(BRIGHT if bright else DARK, seed=number + 1000 * month)
        content = cache_photo(shop.connections.models, data)
        found.append(labelled(content, bright=bright, part=part, fold=number // 2 % FOLDS))
    return found


def labelled(content_sha256: str, *, bright: bool, part: Split, fold: int = 0) -> LabelledPhoto:
    """One photo of a manifest, with weight 1."""
    return LabelledPhoto(
        content_sha256=content_sha256,
        label="normal" if bright else "violate",
        category=None,
        route="import",
        weight=1.0,
        group=int(content_sha256[:12], 16),
        new=True,
        part=part,
        fold=None if part is Split.GOLDEN else fold,
    )


def begin_month(
    shop: Shop,
    photos: list[LabelledPhoto],
    *,
    preset: str,
    run_id: str = "month",
    champion: bool = True,
    policy: Policy | None = None,
    unlabelled: Sequence[ListedPhoto] = (),
) -> Manifest:
    """Store manifest and golden set, and begin the run with them."""
    as_of = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=next(_months))
    store, engine = shop.connections.models, shop.connections.engine
    golden = GoldenSet(name=f"golden-{as_of:%Y-%m-%d-%H%M}", parent_hash=None, photos=())
    put_golden(store, golden)
    manifest = Manifest(
        as_of=as_of,
        classes=("normal", "violate"),
        golden_hash=golden.golden_hash,
        photos=tuple(sorted(photos, key=lambda p: p.content_sha256)),
        left_out=(),
        unlabelled=tuple(unlabelled),
    )
    put_manifest(store, manifest)
    shop.execute(
        "insert into moderation.golden_set (golden_hash, name, photos, added) "
        "values (:hash, :name, 0, 0)",
        hash=golden.golden_hash,
        name=golden.name,
    )
    shop.execute(
        "insert into moderation.label_snapshot (snapshot_hash, as_of, golden_hash, photos, "
        "new_photos) values (:hash, :at, :golden, 0, 0)",
        hash=manifest.snapshot_hash,
        at=as_of,
        golden=golden.golden_hash,
    )
    run = RetrainRun(
        run_id=run_id,
        as_of=as_of,
        policy=policy or load_policy(shop.settings.policy_file),
        preset=preset,
        seed=5,
        champion_hash=shop.model_hash if champion else None,
    )
    in_transaction(engine, lambda c: retrain_runs.begin(c, run))
    in_transaction(
        engine,
        lambda c: retrain_runs.set_values(c, run_id, snapshot_hash=manifest.snapshot_hash),
    )
    return manifest
