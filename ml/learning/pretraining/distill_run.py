"""A step of a retraining run: distill pretrained weights on the shop's own photos, if it should.

The next run compares a training that starts from them with its usual one. The photos are listed
once for the run; the list, the checkpoint of the last epoch and the result are in the model bucket,
so that any worker resumes after a kill. Each run starts from the setting `pretrained_weights`, not
from the weights of the run before: a bad month leaves nothing behind.
"""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from ml.core.files import scratch_folder
from ml.core.manifest import PhotoList
from ml.core.settings import Settings
from ml.core.window import Window
from ml.learning.pretraining.bucket_photos import bucket_photos, own_origins
from ml.learning.pretraining.photo_list import list_photos
from ml.models.bundled_weights import read_bundled_card
from ml.models.distillation.distill import Origins, distill
from ml.models.distillation.networks import load_teacher
from ml.models.distillation.recipe import Recipe, load_recipe
from ml.models.predictor import resolve_device
from ml.models.pretrained_weights import BUNDLED_ARCHITECTURE
from ml.models.training.checkpoint import CheckpointBackend, checkpoint_object
from ml.models.training.progress import Listener, LogListener
from ml.storage import pretrained_weights, retrain_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.object_store import ObjectStore
from ml.storage.pretrained_weights import RegisteredWeights
from ml.storage.retrain_runs import RetrainRun
from ml.vision.images.open_photo import decode_limits

log = structlog.get_logger()


def distill_for_next_run(
    run_id: str,
    *,
    settings: Settings,
    connections: Connections,
    recipe: Path | None = None,
    progress: Listener | None = None,
) -> str | None:
    """Distill and register the weights; returns their SHA-256.

    None if the policy asks for none, or the setting `architecture` is not the one distilled.

    `recipe` None is `config/distillation.yaml`, whose epochs the policy replaces; `progress` None
    writes log lines. What is finished is not repeated.

    Raises:
        RunNotStarted: there is no such run.
        PretrainedWeightsError: the package of the teacher's weights is not installed.
        TrainingError: the shop has judged too few photos.
    """
    run = in_transaction(connections.engine, lambda c: retrain_runs.load(c, run_id))
    wanted = run.policy.retraining.distillation
    if not wanted.enabled:
        return None
    if settings.architecture != BUNDLED_ARCHITECTURE:
        log.warning(
            "no distillation: it makes weights of another architecture",
            architecture=settings.architecture, distilled=BUNDLED_ARCHITECTURE,
        )  # fmt: skip
        return None
    finished = in_transaction(
        connections.engine, lambda c: pretrained_weights.load_of_run(c, run_id)
    )
    if finished is not None:
        _remove_checkpoints(connections.models, finished.object_key)  # of a killed attempt
        return finished.weights_sha256
    load_teacher()  # before photos are read: its package may be missing
    base = load_recipe(recipe) if recipe else load_recipe()
    registered = _distill(
        run, base.model_copy(update={"epochs": wanted.epochs}), settings, connections,
        progress or LogListener(),
    )  # fmt: skip
    _remove_checkpoints(connections.models, registered.object_key)
    return registered.weights_sha256


def _distill(
    run: RetrainRun,
    recipe: Recipe,
    settings: Settings,
    connections: Connections,
    progress: Listener,
) -> RegisteredWeights:
    listed = _fix_list(run, settings, connections)
    prefix = f"training/distillation-{listed.list_hash}"
    with scratch_folder(settings.data_dir / "training", "distillation-") as folder:
        path = distill(
            bucket_photos(listed.photos, connections.photos),
            start=settings.pretrained_weights,
            origins=Origins((), own_origins(listed, connections.photos)),
            recipe=recipe,
            out=folder,
            device=str(resolve_device(settings.device)),
            seed=run.seed,
            limits=decode_limits(settings),
            progress=progress,
            checkpoint_at=partial(_checkpoint_at, connections.models, prefix),
        )
        return _register(path, prefix, run.run_id, connections)


def _checkpoint_at(store: ObjectStore, prefix: str, name: str) -> CheckpointBackend:
    """The checkpoint in the bucket; it stays until the result is in the bucket, too."""
    return replace(checkpoint_object(store, f"{prefix}/{name}"), delete=lambda: None)


def _remove_checkpoints(store: ObjectStore, object_key: str) -> None:
    """Delete the other files of their folder."""
    for page in store.list_pages(f"{object_key.rpartition('/')[0]}/"):
        store.delete_many([file.key for file in page if file.key != object_key])


def _fix_list(run: RetrainRun, settings: Settings, connections: Connections) -> PhotoList:
    """The run's photos, listed by its first attempt."""
    store = connections.models
    if run.photo_list_hash is not None:
        data = store.get_hashed(_list_key(run.photo_list_hash), run.photo_list_hash)
        return PhotoList.model_validate_json(data)
    wanted = run.policy.retraining.distillation
    window = Window(run.as_of - timedelta(days=wanted.photo_days), run.as_of)
    listed = list_photos(
        window, max_photos=wanted.photos, settings=settings, connections=connections
    )
    store.put(_list_key(listed.list_hash), listed.to_json().encode())
    in_transaction(
        connections.engine,
        lambda c: retrain_runs.set_values(c, run.run_id, photo_list_hash=listed.list_hash),
    )
    return listed


def _list_key(list_hash: str) -> str:
    return f"photo_lists/{list_hash}.json"


def _register(path: Path, prefix: str, run_id: str, connections: Connections) -> RegisteredWeights:
    """Put the file, then write the row: what a row names exists."""
    card = read_bundled_card(path.parent)
    key = f"{prefix}/{card.sha256}.safetensors"
    connections.models.put(key, path.read_bytes())
    weights = RegisteredWeights(card.sha256, key, card.model_dump(mode="json"), run_id)
    in_transaction(connections.engine, pretrained_weights.register, weights)
    log.info(
        "pretrained weights registered",
        sha256=card.sha256,
        photos=card.made.photos,
        hours=card.made.hours,
    )
    return weights
