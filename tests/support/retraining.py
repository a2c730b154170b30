"""A retraining run in the state before its step `evaluate`, created directly."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from ml.core.manifest import (
    Confirmation,
    ExcludedPhoto,
    GoldenPhoto,
    GoldenSet,
    LabelledPhoto,
    Manifest,
    Split,
)
from ml.models import registry
from ml.models.card import LeakEvidence, ModelCard, Thresholds
from ml.models.checkpoint import build_network, load_checkpoint, save_card, save_weights
from ml.models.load_check import write_probe
from ml.policy.retraining import Gates, Retraining
from ml.policy.schema import Policy
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from ml.storage.photo_archive import ArchivedPhoto, upsert
from ml.storage.photo_cache import cache_photo
from ml.storage.retrain_runs import RetrainRun
from ml.storage.snapshots import put_golden, put_manifest, write_snapshot
from ml.vision.images.preprocess import Preprocessing, normalize
from tests.support.champion import SPEC, make_champion
from tests.support.policies import policy
from tests.support.servers import Shop

AS_OF = datetime(2026, 10, 1, tzinfo=UTC)
GOLDEN = "golden-2026-10"
_SOLVED = LeakEvidence(
    target_rate=0.03, confidence=0.95, photos=500, passed=300, leaked=1, upper_bound=0.02,
    review_rate=0.3,
)  # fmt: skip


def retraining_policy(*violations: str, **retraining: object) -> Policy:
    """Return a policy with a latency gate that no busy machine can fail."""
    asked = Retraining(gates=Gates(latency_ratio=100.0)).model_copy(update=retraining)
    classes = dict.fromkeys(violations or ("violate",))
    return policy(**classes).model_copy(update={"retraining": asked})


def make_version(
    folder: Path,
    *,
    seed: int = 0,
    inverted: bool = False,
    extra_class: str | None = None,
    pass_confidence: float = 0.7,
    probe: bool = False,
    spec: Preprocessing = SPEC,
) -> ModelCard:
    """Write a test champion; `inverted` swaps bright and dark, `extra_class` is never predicted."""
    card = make_champion(folder, seed=seed, pass_confidence=pass_confidence, spec=spec)
    state = load_checkpoint(folder).state
    if inverted:
        state["fc.weight"], state["fc.bias"] = -state["fc.weight"], -state["fc.bias"]
    if extra_class is not None:
        state["fc.weight"] = torch.cat([state["fc.weight"], torch.zeros(1, 512)])
        state["fc.bias"] = torch.cat([state["fc.bias"], torch.tensor([-30.0])])
    card = card.model_copy(
        update={
            "weights_sha256": save_weights(state, folder),
            "classes": (*card.classes, *([extra_class] if extra_class else [])),
            "thresholds": Thresholds(
                pass_confidence=pass_confidence, source="solved", evidence=_SOLVED
            ),
        }
    )
    save_card(card, folder)
    if probe:
        _add_probe(folder, state)
    return card


def _add_probe(folder: Path, state: dict[str, torch.Tensor]) -> None:
    network = build_network(len(state["fc.bias"])).eval()
    network.load_state_dict(state)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (4, 3, SPEC.crop, SPEC.crop), generator=generator).byte()
    with torch.inference_mode():
        write_probe(folder, pixels, network(normalize(pixels, SPEC)))


@dataclass(frozen=True)
class GoldenSpec:
    """A golden photo to create: bytes, label and commerce data."""

    data: bytes
    label: str
    category: str | None = None
    object_key: str = "reviews/x.jpg"
    added_in: str = GOLDEN
    route: str = "uncertain"
    confirmation: Confirmation | None = None

    @property
    def content_sha256(self) -> str:
        """Hash of the bytes."""
        return hashlib.sha256(self.data).hexdigest()


class RetrainingRun:
    """A retraining run that has a candidate."""

    def __init__(self, shop: Shop, folder: Path, *, run_id: str = "retrain__2026-10") -> None:
        self.shop, self.run_id, self._folder = shop, run_id, folder

    def register(self, name: str, **version: object) -> str:
        """Create and register a version; see `make_version`."""
        make_version(self._folder / name, **version)  # type: ignore[arg-type]  # handed through
        parts = self.shop.connections
        return registry.register(self._folder / name, engine=parts.engine, store=parts.models)

    def keep(self, photo: GoldenSpec) -> str:
        """Archive a photo's bytes and its row."""
        content_sha256 = cache_photo(self.shop.connections.models, photo.data)
        row = ArchivedPhoto(
            content_sha256, photo.object_key, None, len(photo.data), 64, 48, "0" * 64, 100
        )
        in_transaction(self.shop.connections.engine, lambda c: upsert(c, [row]))
        return content_sha256

    def begin(
        self,
        photos: Sequence[GoldenSpec],
        *,
        candidate: str,
        champion: str | None,
        policy: Policy | None = None,
    ) -> None:
        """Write golden set, snapshot and run, as the steps up to `calibrate` do."""
        store, engine = self.shop.connections.models, self.shop.connections.engine
        for photo in photos:
            self.keep(photo)
        golden = _golden(photos)
        manifest = _manifest(golden, {p.content_sha256: p.confirmation for p in photos})
        put_golden(store, golden)
        put_manifest(store, manifest)
        run = RetrainRun(
            self.run_id, AS_OF, policy or retraining_policy(), "monthly", 0, champion_hash=champion
        )
        in_transaction(engine, lambda c: write_snapshot(c, manifest, golden))
        in_transaction(engine, lambda c: retrain_runs.begin(c, run))
        self.set(snapshot_hash=manifest.snapshot_hash, candidate_hash=candidate)

    def set(self, **values: object) -> None:
        """Set columns of the run's row."""
        engine = self.shop.connections.engine
        in_transaction(engine, lambda c: retrain_runs.set_values(c, self.run_id, **values))

    def run(self) -> RetrainRun:
        """The run's row."""
        engine = self.shop.connections.engine
        return in_transaction(engine, lambda c: retrain_runs.load(c, self.run_id))


def _golden(photos: Sequence[GoldenSpec]) -> GoldenSet:
    rows = [
        GoldenPhoto(
            content_sha256=p.content_sha256, label=p.label, category=p.category, route=p.route,
            weight=1.0, added_in=p.added_in,
        )
        for p in sorted(photos, key=lambda p: p.content_sha256)
    ]  # fmt: skip
    return GoldenSet(name=GOLDEN, parent_hash=None, photos=tuple(rows))


def _manifest(golden: GoldenSet, confirmations: Mapping[str, Confirmation | None]) -> Manifest:
    rows = [
        LabelledPhoto(
            content_sha256=p.content_sha256, label=p.label, category=p.category, route=p.route,
            weight=1.0, group=i, new=True, part=Split.GOLDEN,
            confirmation=confirmations[p.content_sha256],
        )
        for i, p in enumerate(golden.photos)
    ]  # fmt: skip
    return Manifest(
        as_of=AS_OF, classes=("normal", "violate"), golden_hash=golden.golden_hash,
        photos=tuple(rows),
        left_out=(ExcludedPhoto(content_sha256="9" * 64, reason="unknown_class:<b>spam</b>"),),
    )  # fmt: skip
