"""Servers, and for each workload its start and its end state in an unbroken run."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from devtools.embedded.services import Services
from ml.core.settings import Settings
from ml.core.window import Window
from ml.models import registry
from ml.models.checkpoint import ARCHITECTURES
from ml.storage import shadow_verdicts
from ml.storage.connections import open_connections
from ml.storage.database import in_transaction
from ml.storage.object_store import ObjectStore
from tests.chaos import shop as contents
from tests.chaos.end_state import State, load_state
from tests.chaos.processes import Attempt
from tests.chaos.trial import Trial
from tests.chaos.workloads import Inputs, Workload, run_first_nightly_run
from tests.integration.learning.retrain.month import LEARNS
from tests.integration.learning.retrain.snapshot_fixtures import write_preset
from tests.support.champion import make_champion
from tests.support.servers import Shop, copied_database, settings_for
from tests.support.tiny_network import TinyResNet
from tests.support.versions import add_version

CHAMPION_SEED, SHADOW_SEED = 7301, 7302  # no other test's: weights are cached by seed
SHARD_SIZE = 40
# A gentle training: the champion's scores shift, and stay moderate.
RECIPE = {
    **LEARNS, "epochs": 3, "optimizer": {"kind": "adamw", "lr": 0.0003, "weight_decay": 0.05}
}  # fmt: skip
_numbers = count()

Objects = dict[str, bytes]


@dataclass(frozen=True)
class Stage:
    """The start of a workload, and how it went unbroken: its attempts and its end state."""

    workload: Workload
    url: str
    objects: Objects
    profile: list[Attempt]
    end: State


class World:
    """The stages of a campaign on running servers; each starts where the one before ended."""

    def __init__(
        self,
        services: Services,
        folder: Path,
        stack: ExitStack,
        *,
        photos: int,
        workloads: Sequence[Workload],
    ) -> None:
        self.log = folder / "steps.log"
        self._services = services
        self._folder = folder
        self._stack = stack
        self._prefix = f"chaos-{next(_numbers)}/"
        self._policy = contents.write_campaign_policy(folder / "policy")
        url = self._copied(services.database_url)
        objects = self._prepare(url, photos)
        self.stages: dict[str, Stage] = {}
        for workload in workloads:
            url, objects = self._add_stage(workload, url, objects)

    @contextmanager
    def opened(self, stage: Stage) -> Iterator[Shop]:
        """Yield a fresh copy of a stage's start."""
        with copied_database(self._services, stage.url) as url, self._shop(url) as shop:
            restore_objects(shop.connections.models, stage.objects)
            yield shop

    def _add_stage(self, workload: Workload, url: str, objects: Objects) -> tuple[str, Objects]:
        """Run a workload unbroken; returns the start of the next one."""
        after = self._copied(url)
        with self._shop(after) as shop:
            restore_objects(shop.connections.models, objects)
            trial = Trial(environment_of(shop.settings), self.log)
            workload.run(trial.run, self.inputs)
            end = load_state(shop)
            self.stages[workload.name] = Stage(workload, url, objects, trial.attempts, end)
            return after, load_objects(shop.connections.models)

    def _prepare(self, url: str, photos: int) -> Objects:
        """Fill the shop; run and review the first day. Returns the objects of the models."""
        with self._shop(url) as shop:
            self._register_models(shop)
            began = contents.wait_for_next_second()
            contents.upload_first_day(shop)
            first = contents.wait_for_next_second()
            windows = [(began, first), (first, first + timedelta(hours=1))]
            self.inputs = self._make_inputs(windows)
            run_first_nightly_run(Trial(environment_of(shop.settings), self.log).run, self.inputs)
            contents.review_first_day(shop)
            contents.upload_second_day(shop, photos)
            return load_objects(shop.connections.models)

    def _register_models(self, shop: Shop) -> None:
        parts = shop.connections
        parts.photos.create()
        parts.models.create()
        restore_objects(parts.models, {})
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(ARCHITECTURES, "resnet18", TinyResNet)
            folder = self._folder / "champion"
            make_champion(folder, seed=CHAMPION_SEED)
            champion = registry.register(folder, engine=parts.engine, store=parts.models)
            shadow = add_version(shop, self._folder / "shadow", seed=SHADOW_SEED)
        registry.promote(champion, engine=parts.engine, by="test", reason="test")
        in_transaction(parts.engine, lambda c: shadow_verdicts.request(c, shadow))

    def _make_inputs(self, windows: list[tuple[datetime, datetime]]) -> Inputs:
        first, second = [(start.isoformat(), end.isoformat()) for start, end in windows]
        labels = contents.write_label_file(self._folder / "labels")
        preset = write_preset(self._folder, **RECIPE)
        return Inputs(first, second, labels, Path(preset), self._folder)

    @contextmanager
    def _shop(self, url: str) -> Iterator[Shop]:
        now = datetime.now().astimezone()
        window = Window(now, now + timedelta(hours=1))
        with tempfile.TemporaryDirectory(prefix="trial-", dir=self._folder) as folder:
            settings = settings_for(
                self._services, url, photo_prefix=self._prefix, model_bucket="chaos-models",
                data_dir=Path(folder), policy_file=self._policy, shard_size=SHARD_SIZE,
                fetch_threads=4, decode_workers=2,
            )  # fmt: skip
            with closing(open_connections(settings)) as connections:
                yield Shop(settings, connections, window, model_hash="")

    def _copied(self, url: str) -> str:
        """Copy a database for the whole campaign."""
        return self._stack.enter_context(copied_database(self._services, url))


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the variables that give a process these settings."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    plain = {
        k: v.get_secret_value() if hasattr(v, "get_secret_value") else v for k, v in given.items()
    }
    return {f"MODERATION_{name.upper()}": str(value) for name, value in plain.items()}


def load_objects(store: ObjectStore) -> Objects:
    """Return all objects of a bucket."""
    return {found.key: store.get(found.key) for page in store.list_pages("") for found in page}


def restore_objects(store: ObjectStore, objects: Objects) -> None:
    """Make the bucket hold these objects and no others."""
    found = {each.key: each.etag for page in list(store.list_pages("")) for each in page}
    wanted = {key: hashlib.md5(data).hexdigest() for key, data in objects.items()}  # noqa: S324 - S3's ETag
    store.delete_many([key for key in found if key not in wanted])
    for key, data in objects.items():
        if found.get(key) != wanted[key]:
            store.put(key, data)
