"""A throw-away shop: servers of its own in a temporary folder, photos, champions, a night."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import torch
import yaml
from rich.progress import track
from sqlalchemy import text, update

from ml.audit.discover import discover
from ml.audit.preflight import preflight
from ml.audit.window import Window
from ml.connections import Connections, open_connections, with_embedded
from ml.embedded import services as embedded
from ml.errors import StorageError
from ml.images.preprocess import Preprocessing
from ml.inference.bounded import bounded_map
from ml.model import registry
from ml.model.card import Calibration, CutOffs, ModelCard, StartWeights
from ml.model.checkpoint import save_card, save_weights
from ml.model.resnet18 import build
from ml.settings import CommerceNames, Settings, load_settings
from ml.storage.audit_runs import Shard
from ml.storage.database import in_transaction
from ml.storage.migrate import COMMERCE_REFERENCE, MODERATION, migrate

UPLOAD_THREADS = 8
LARGEST_SHARD = 1_000_000  # all photos of a night in one shard

_ADD_ROWS = text(
    """
    insert into commerce.review_image (review_id, product_id, object_key, uploaded_at)
    select 1, 1, unnest(cast(:keys as text[])), now()
    """
)


@dataclass(frozen=True)
class BenchShop:
    """Servers that answer, with schema and buckets; `folder` holds everything and goes away."""

    settings: Settings
    connections: Connections
    folder: Path

    def upload(self, prefix: str, contents: Iterable[bytes], photos: int) -> list[str]:
        """Put photos and their pending commerce rows; returns the keys, in order."""
        keys = [f"{prefix}{number:06d}.jpg" for number in range(photos)]
        store = self.connections.photos
        with ThreadPoolExecutor(UPLOAD_THREADS, "upload") as pool:
            pairs = zip(keys, contents, strict=True)
            done = bounded_map(pool, lambda pair: store.put(*pair), pairs, ahead=UPLOAD_THREADS)
            for _ in track(done, "uploading", total=photos):
                pass
        in_transaction(self.connections.engine, lambda c: c.execute(_ADD_ROWS, {"keys": keys}))
        return keys

    def champion(self, spec: Preprocessing, *, seed: int) -> str:
        """Register and promote a ResNet18 of random weights; returns its hash.

        Another seed is another version, for which no photo is judged yet.
        """
        folder = self.folder / "trained" / f"{spec.crop}-{seed}"
        torch.manual_seed(seed)
        save_card(_card(save_weights(build(2).state_dict(), folder), spec, seed), folder)
        engine = self.connections.engine
        model_hash = registry.register(folder, engine=engine, store=self.connections.models)
        registry.promote(model_hash, engine=engine, by="benchmark", reason="benchmark")
        return model_hash

    def without_screens(self) -> Path:
        """The policy in force as a file without screens and random audit."""
        raw = yaml.safe_load(self.settings.policy_file.read_text(encoding="utf-8"))
        path = self.folder / "without_screens.yaml"
        bare = {**raw, "screens": {}, "random_audit": {}}
        path.write_text(yaml.safe_dump(bare, sort_keys=False), encoding="utf-8")
        return path

    def begin_night(self, run_id: str, prefix: str, *, screens: bool = False) -> Shard:
        """Preflight and discover what lies under a prefix, as one shard.

        Args:
            run_id: of the night.
            prefix: of the keys.
            screens: judge by the policy in force; else by it without its screens.

        Raises:
            StorageError: it is not one shard.
        """
        settings = self.settings.model_copy(
            update={"photo_prefix": prefix, "shard_images": LARGEST_SHARD}
        )
        if not screens:
            settings = settings.model_copy(update={"policy_file": self.without_screens()})
        now = datetime.now(UTC)
        window = Window(now - timedelta(hours=1), now + timedelta(hours=1))
        preflight(run_id, window, settings=settings, connections=self.connections)
        shards = discover(run_id, settings=settings, connections=self.connections)
        if len(shards) != 1:
            raise StorageError(f"{len(shards)} shards under {prefix}, one was meant")
        return shards[0]

    def reset_statuses(self) -> None:
        """Make every commerce row pending again, so that each side has the same to write."""
        table = self.connections.commerce
        pending = update(table).values(moderation_status="pending", moderated_at=None)
        in_transaction(self.connections.engine, lambda c: c.execute(pending))


@contextmanager
def bench_shop() -> Iterator[BenchShop]:
    """Start the servers and yield the shop; both are gone afterwards.

    Settings of the machine (device, threads, batch) are those of the environment; whatever it names
    as database or bucket is left alone.
    """
    folder = Path(tempfile.mkdtemp(prefix="moderation-bench-"))
    try:
        settings = with_embedded(load_settings().model_copy(update=_own_places(folder)))
        connections = open_connections(settings)
        try:
            migrate(connections.engine, MODERATION)
            migrate(connections.engine, COMMERCE_REFERENCE)
            connections.photos.create()
            connections.models.create()
            yield BenchShop(settings, connections, folder)
        finally:
            connections.engine.dispose()
    finally:
        embedded.remove(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _own_places(folder: Path) -> dict[str, object]:
    elsewhere = ("database_url", "s3_endpoint_url", "s3_access_key", "s3_secret_key")
    return {**dict.fromkeys(elsewhere), "data_dir": folder, "commerce": CommerceNames()}


def _card(weights_sha256: str, spec: Preprocessing, seed: int) -> ModelCard:
    return ModelCard(
        weights_sha256=weights_sha256,
        classes=("normal", "violate"),
        preprocessing=spec,
        calibration=Calibration(temperature=1.0, fitted_on=0),
        cut_offs=CutOffs(pass_confidence=0.7, source="benchmark"),
        start_weights=StartWeights(kind="scratch", detail="random weights, for speed only"),
        preset="benchmark",
        data_hash="0" * 64,
        training_images=0,
        validation_images=0,
        metrics={},
        libraries={},
        seed=seed,
    )
