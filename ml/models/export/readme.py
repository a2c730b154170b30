"""A version's page for people and model hubs: Markdown with YAML front matter, from its card only.

The fields of the front matter are those of https://huggingface.co/docs/hub/model-cards.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ml.core.format import percent
from ml.core.stats import lower_bound, upper_bound
from ml.core.yaml_file import dump_yaml
from ml.models.card import ModelCard
from ml.models.export.onnx_model import INPUT, LOGITS, OPSET, PROBABILITIES

UNSTATED_LICENSE = "other"
_TASK = "image-classification"
_CONFIDENCE = 0.975  # each side: an interval of 95 %
_DATASET = {"name": "held-out review photos of one shop", "type": "private"}
_PER_CLASS = ("precision", "recall", "f1", "roc_auc")


def write_readme(
    card: ModelCard, *, license_id: str = UNSTATED_LICENSE, with_onnx: bool = False
) -> str:
    """The text of `README.md`. Figures that the card does not have are left out, not made up."""
    matter = dump_yaml(front_matter(card, license_id))
    classes = ", ".join(f"`{name}`" for name in card.classes)
    parts = (
        f"# Review photo classifier {card.model_hash[:12]}",
        f"Says which class a photo of an online shop's review belongs to: {classes}.",
        "## Figures\n\n" + "\n".join(_figures(card)),
        "## Limits\n\n" + "\n".join(_limits(card)),
        "## Use\n\n" + "\n".join(_use(card, with_onnx=with_onnx)),
        "## Training\n\n" + "\n".join(_training(card)),
    )
    return f"---\n{matter}---\n\n" + "\n\n".join(parts) + "\n"


def front_matter(card: ModelCard, license_id: str = UNSTATED_LICENSE) -> dict[str, Any]:
    """The metadata that model hubs read."""
    license_name = {"license_name": "not-stated"} if license_id == UNSTATED_LICENSE else {}
    found = _hub_metrics(card)
    result = {"task": {"type": _TASK}, "dataset": dict(_DATASET), "metrics": found}
    index = {"name": f"review-photo-{card.model_hash[:12]}", "results": [result]}
    return {
        "license": license_id,
        **license_name,
        "library_name": "pytorch",
        "pipeline_tag": _TASK,
        "tags": [card.architecture, "content-moderation", "safetensors"],
        "metrics": sorted({metric["type"] for metric in found}),
        **({"model-index": [index]} if found else {}),
    }


def _hub_metrics(card: ModelCard) -> list[dict[str, Any]]:
    """Metrics as the hub's `model-index` has them: type, name, value."""
    metrics = card.metrics
    found = [("accuracy", "accuracy", metrics.get("accuracy"))]
    for name, row in metrics.get("per_class", {}).items():
        found += [(kind, f"{kind} of {name}", row.get(kind)) for kind in _PER_CLASS]
    return [
        {"type": kind, "name": name, "value": value}
        for kind, name, value in found
        if value is not None
    ]


def _figures(card: ModelCard) -> Iterator[str]:
    metrics = card.metrics
    photos = metrics.get("photos")
    yield "| figure | value | 95 % interval |\n|---|---|---|"
    yield _row("accuracy", metrics.get("accuracy"), photos)
    for name, row in metrics.get("per_class", {}).items():
        yield _row(f"recall of `{name}`", row.get("recall"), row.get("support"))
    error = metrics.get("expected_calibration_error")
    if error is not None:
        yield f"| expected calibration error | {error:.3f} | |"
    yield ""
    yield (
        f"Measured on {photos:,} photos that were held out of training."
        if photos
        else ("The card does not say on how many photos this was measured.")
    )


def _row(name: str, share: float | None, photos: float | None) -> str:
    """A line of the table; the interval is Clopper and Pearson's."""
    if share is None or not photos:
        return f"| {name} | {percent(share)} | |"
    hits, total = np.array([round(share * photos)], float), np.array([photos], float)
    low, high = (bound(hits, total, _CONFIDENCE)[0] for bound in (lower_bound, upper_bound))
    return f"| {name} | {percent(share)} | {percent(float(low))} to {percent(float(high))} |"


def _limits(card: ModelCard) -> Iterator[str]:
    evidence = card.thresholds.evidence
    yield (
        "- The figures hold for photos like those of the shop that it was trained for. Other "
        "shops, other years and people who try to deceive it are not measured."
    )
    yield (
        "- The network alone: the program that it comes from also reads text and codes, compares "
        "photos, and sends uncertain ones to people."
    )
    if evidence is None:
        yield f"- No bound on leaks supports the threshold: {card.thresholds.source}."
        return
    yield (
        f"- At {card.thresholds.pass_confidence:.4f}, {evidence.leaked:g} of {evidence.passed:g} "
        f"passed photos were violations: with {percent(evidence.confidence, 0)} confidence at most "
        f"{percent(evidence.upper_bound, 2)} leak. {percent(evidence.review_rate)} go to review."
    )


def _use(card: ModelCard, *, with_onnx: bool) -> Iterator[str]:
    crop, temperature = card.preprocessing.crop, card.calibration.temperature
    yield (
        "`weights.safetensors` has the weights, `card.json` all that is needed to use them; their "
        f"SHA-256 is `{card.weights_sha256}`. Softmax of the logits divided by {temperature:g} "
        "gives calibrated probabilities."
    )
    if with_onnx:
        yield (
            f"\n`model.onnx` (opset {OPSET}): input `{INPUT}`, uint8 (batch, 3, {crop}, {crop}); "
            f"outputs `{PROBABILITIES}`, calibrated, and `{LOGITS}`, float32 (batch, "
            f"{len(card.classes)}), in the order above. Normalization and temperature are part of "
            "the file; its metadata say how to prepare a photo."
        )


def _training(card: ModelCard) -> Iterator[str]:
    yield f"- Architecture `{card.architecture}`, preset `{card.preset}`, seed {card.seed}."
    yield f"- Began with: {card.pretrained_weights.kind} ({card.pretrained_weights.detail})."
    yield f"- {card.training_images:,} photos; SHA-256 of the list: `{card.data_hash}`."
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(card.libraries.items()))
    if libraries:
        yield f"- Libraries: {libraries}."
