"""Additional model versions of a shop, and retraining runs up to their gates."""

import json
from datetime import UTC, datetime
from pathlib import Path

import torch

from ml.core.types import ArchitectureName
from ml.models import registry
from ml.models.card import Agreement, Calibration, Int8Variant, ModelCard, Thresholds
from ml.models.checkpoint import load_checkpoint, save_card, save_weights
from ml.policy.schema import load_policy
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from ml.storage.retrain_runs import RetrainRun
from tests.support.champion import make_champion
from tests.support.servers import Shop

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)


def add_version(
    shop: Shop,
    folder: Path,
    *,
    seed: int = 1,
    pass_confidence: float = 0.99999,
    architecture: ArchitectureName = "resnet18",
) -> str:
    """Register a version that sends to review nearly all photos that the champion passes."""
    make_champion(folder, seed=seed, pass_confidence=pass_confidence, architecture=architecture)
    parts = shop.connections
    return registry.register(folder, engine=parts.engine, store=parts.models)


def add_altered_version(
    shop: Shop, source: Path, folder: Path, *, spoil: str | None = None, **card: object
) -> str:
    """Register a copy of the version in `source`, with another card or spoiled weights."""
    checkpoint = load_checkpoint(source)
    state = spoil_weights(checkpoint.state, spoil) if spoil else checkpoint.state
    changed = {"weights_sha256": save_weights(state, folder), **card}
    save_card(ModelCard.model_validate(checkpoint.card.model_dump() | changed), folder)
    parts = shop.connections
    return registry.register(folder, engine=parts.engine, store=parts.models)


def spoil_weights(state: dict[str, torch.Tensor], kind: str) -> dict[str, torch.Tensor]:
    """Weights that are `nan`, `inf` or too `large`; that ignore the picture; or do not fit.

    Those of another `layer` are as good.
    """
    spoiled = dict(state)
    match kind:
        case "nan" | "inf":
            spoiled["layer1.0.conv1.weight"] = state["layer1.0.conv1.weight"].clone()
            spoiled["layer1.0.conv1.weight"][0, 0, 0, 0] = float(kind)
        case "large":
            spoiled["fc.weight"] = torch.full_like(state["fc.weight"], 3e38)
        case "variance":
            spoiled["bn1.running_var"] = -state["bn1.running_var"]
        case "constant":
            spoiled["fc.weight"] = torch.zeros_like(state["fc.weight"])
        case "saturated":
            spoiled["fc.bias"] = torch.tensor([1e4, -1e4])
        case "blind":
            spoiled["conv1.weight"] = torch.zeros_like(state["conv1.weight"])
        case "layer":
            spoiled["layer4.1.conv2.weight"] = 1.01 * state["layer4.1.conv2.weight"]
        case "missing":
            del spoiled["layer4.1.conv2.weight"]
        case "shape":
            spoiled["fc.weight"] = state["fc.weight"][:, :256].clone()
    return spoiled


def add_version_row(shop: Shop, digit: str) -> str:
    """Insert a version without files, with the champion's card; it can be promoted, not loaded."""
    shop.execute(
        "insert into moderation.model_version (model_hash, weights_sha256, card) "
        "select :h, :h, card from moderation.model_version where model_hash = :c",
        h=digit * 64,
        c=shop.model_hash,
    )
    return digit * 64


COMPARISON = {
    "photos": 2000.0, "area_difference": -0.0003, "area_low": -0.0012, "leak_difference": 0.0004,
    "leak_high": 0.0021, "review_share": 0.121, "variant_review_share": 0.127,
    "area_margin": 0.005, "leak_margin": 0.01,
}  # fmt: skip
INT8_VARIANT = Int8Variant(
    graph_sha256="1" * 64,
    weights_sha256="2" * 64,
    calibration=Calibration(temperature=1.31, fitted_on=900),
    thresholds=Thresholds(pass_confidence=0.8, source="test"),
    calibration_photos=300,
    comparison=COMPARISON,
    libraries={},
)


def add_int8_rows(shop: Shop) -> tuple[str, str]:
    """Insert two versions without files: with an int8 variant, and with a refused one."""
    agreement = Agreement(computation="openvino bfloat16", photos=200, changed=1)
    figures = COMPARISON | {"area_low": -0.0093}
    parts: dict[str, dict[str, object]] = {
        add_version_row(shop, "b"): {
            "int8": INT8_VARIANT.model_dump(mode="json"),
            "agreements": [agreement.model_dump(mode="json")],
        },
        add_version_row(shop, "c"): {"refused_int8": {"reason": "area", "comparison": figures}},
    }
    for version, part in parts.items():
        shop.execute(
            "update moderation.model_version set card = card || cast(:part as jsonb) "
            "where model_hash = :h",
            part=json.dumps(part),
            h=version,
        )
    with_variant, refused = parts
    return with_variant, refused


def start_retraining_run(
    shop: Shop, run_id: str, candidate: str | None, *, champion: str | None = None
) -> None:
    """Start a retraining run with a candidate; `champion` is the shop's by default."""
    run = RetrainRun(
        run_id, AS_OF, load_policy(shop.settings.policy_file), "test", 0,
        champion or shop.model_hash,
    )  # fmt: skip
    engine = shop.connections.engine
    in_transaction(engine, lambda c: retrain_runs.begin(c, run))
    in_transaction(engine, lambda c: retrain_runs.set_values(c, run_id, candidate_hash=candidate))


def set_gate_decision(
    shop: Shop, candidate: str, *, held_by: str | None = None, compared_with: str | None = None
) -> None:
    """Write the gates' decision: `promote`, or `hold` with the failed gate."""
    gates = [{"name": "better", "passed": True, "reason": "is better"}]
    if held_by:
        gates.append({"name": held_by, "passed": False, "reason": "too low"})
    shop.execute(
        "update moderation.model_version set gate_decision = :d, gates = cast(:g as jsonb), "
        "compared_with = :c where model_hash = :h",
        d="hold" if held_by else "promote",
        g=json.dumps(gates),
        c=compared_with or shop.model_hash,
        h=candidate,
    )
