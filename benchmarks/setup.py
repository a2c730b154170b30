"""A temporary shop for benchmarks: servers in a temporary folder, photos, champions, a run."""

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
from sqlalchemy import NullPool, create_engine, text, update

from devtools.embedded import services as embedded
from ml.core.commerce_names import CommerceNames
from ml.core.concurrency import bounded_map
from ml.core.errors import StorageError
from ml.core.settings import Settings, load_settings, with_embedded_servers
from ml.core.types import Shard
from ml.core.window import Window
from ml.models import registry
from ml.models.card import Calibration, ModelCard, PretrainedWeights, Thresholds
from ml.models.checkpoint import build_network, save_card, save_weights
from ml.moderation.nightly.discover import discover
from ml.moderation.nightly.preflight import preflight
from ml.storage.connections import Connections, open_connections
from ml.storage.database import COMMERCE_REFERENCE, MODERATION, in_transaction, migrate
from ml.vision.images.preprocess import Preprocessing

UPLOAD_THREADS = 8
MAX_SHARD_SIZE = 1_000_000  # all photos of a run in one shard

_INSERT_ROWS = text(
    """
    insert into commerce.review_image (review_id, product_id, object_key, uploaded_at)
    select 1, 1, unnest(cast(:keys as text[])), now()
    """
)


@dataclass(frozen=True)
class BenchShop:
    """Running servers with schema and buckets; everything is in `folder`, which is deleted."""

    settings: Settings
    connections: Connections
    folder: Path

    def upload(self, prefix: str, contents: Iterable[bytes], photos: int) -> list[str]:
        """Put photos and their pending commerce rows; return the keys in order."""
        keys = [f"{prefix}{number:06d}.jpg" for number in range(photos)]
        store = self.connections.photos
        with ThreadPoolExecutor(UPLOAD_THREADS, "upload") as pool:
            pairs = zip(keys, contents, strict=True)
            done = bounded_map(pool, lambda pair: store.put(*pair), pairs, ahead=UPLOAD_THREADS)
            for _ in track(done, "uploading", total=photos):
                pass
        in_transaction(self.connections.engine, lambda c: c.execute(_INSERT_ROWS, {"keys": keys}))
        return keys

    def champion(self, spec: Preprocessing, *, seed: int) -> str:
        """Register and promote a ResNet18 with random weights; return its hash.

        Each seed is another version, without verdicts.
        """
        return self.promote(self.random_version(spec, seed=seed))

    def random_version(self, spec: Preprocessing, *, seed: int) -> Path:
        """Write a ResNet18 with random weights and its card; return their folder."""
        folder = self.folder / "trained" / f"{spec.crop}-{seed}"
        torch.manual_seed(seed)
        save_card(
            _benchmark_card(save_weights(build_network(2).state_dict(), folder), spec, seed), folder
        )
        return folder

    def promote(self, folder: Path) -> str:
        """Register the version in a folder, and promote it; return its hash."""
        engine = self.connections.engine
        model_hash = registry.register(folder, engine=engine, store=self.connections.models)
        registry.promote(model_hash, engine=engine, by="benchmark", reason="benchmark")
        return model_hash

    def without_screens(self) -> Path:
        """Write the current policy without screens and spot check; return its path."""
        raw = yaml.safe_load(self.settings.policy_file.read_text(encoding="utf-8"))
        path = self.folder / "without_screens.yaml"
        bare = {**raw, "screens": {}, "spot_check": {}}
        path.write_text(yaml.safe_dump(bare, sort_keys=False), encoding="utf-8")
        return path

    def start_run(self, run_id: str, prefix: str, *, screens: bool = False) -> Shard:
        """Run preflight and discover for the photos under a prefix, as one shard.

        Args:
            run_id: of the new run.
            prefix: of the keys.
            screens: with the policy's screens.

        Raises:
            StorageError: the photos are not one shard.
        """
        settings = self.settings.model_copy(
            update={"photo_prefix": prefix, "shard_size": MAX_SHARD_SIZE}
        )
        if not screens:
            settings = settings.model_copy(update={"policy_file": self.without_screens()})
        now = datetime.now(UTC)
        window = Window(now - timedelta(hours=1), now + timedelta(hours=1))
        preflight(run_id, window, settings=settings, connections=self.connections)
        shards = discover(run_id, settings=settings, connections=self.connections)
        if len(shards) != 1:
            raise StorageError(f"{len(shards)} shards under {prefix}, expected one")
        return shards[0]

    @contextmanager
    def database_copy(self, name: str) -> Iterator[str]:
        """Yield the URL of a copy of the database, which is dropped afterwards."""
        self.connections.engine.dispose()  # a database that is in use cannot be copied
        original = self.connections.engine.url
        engine = create_engine(
            original.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool
        )
        with engine.connect() as connection:
            connection.execute(text(f"create database {name} template {original.database}"))
        try:
            yield original.set(database=name).render_as_string(hide_password=False)
        finally:
            with engine.connect() as connection:
                connection.execute(text(f"drop database {name} with (force)"))

    def reset_statuses(self) -> None:
        """Set every commerce row to pending, so that each variant writes the same rows."""
        table = self.connections.commerce
        pending = update(table).values(moderation_status="pending", moderated_at=None)
        in_transaction(self.connections.engine, lambda c: c.execute(pending))


@contextmanager
def bench_shop() -> Iterator[BenchShop]:
    """Start the servers and yield the shop; delete both afterwards.

    Settings of the machine (device, threads, batch) are those of the environment; its database and
    buckets are not used.
    """
    folder = Path(tempfile.mkdtemp(prefix="moderation-bench-"))
    try:
        embedded.start(folder)
        settings = with_embedded_servers(
            load_settings().model_copy(update=_isolated_settings(folder))
        )
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


def _isolated_settings(folder: Path) -> dict[str, object]:
    elsewhere = ("database_url", "s3_endpoint_url", "s3_access_key", "s3_secret_key")
    return {
        **dict.fromkeys(elsewhere),
        "embedded": True,
        "data_dir": folder,
        "commerce": CommerceNames(),
    }


def _benchmark_card(weights_sha256: str, spec: Preprocessing, seed: int) -> ModelCard:
    return ModelCard(
        weights_sha256=weights_sha256,
        classes=("normal", "violate"),
        preprocessing=spec,
        calibration=Calibration(temperature=1.0, fitted_on=0),
        thresholds=Thresholds(pass_confidence=0.7, source="benchmark"),
        pretrained_weights=PretrainedWeights(
            kind="scratch", detail="random weights, for speed only"
        ),
        preset="benchmark",
        data_hash="0" * 64,
        training_images=0,
        metrics={},
        libraries={},
        seed=seed,
    )
