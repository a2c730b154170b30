"""Small pictures for training tests: reddish and bluish noise."""

from pathlib import Path

import numpy as np
from PIL import Image

from ml.core.settings import ROOT
from ml.models.training.preset import Preset
from ml.policy.schema import Policy, load_policy
from ml.vision.images.preprocess import Preprocessing

POLICY: Policy = load_policy(ROOT / "config" / "policy.yaml")
SPEC = Preprocessing(
    resize=40,
    crop=32,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    interpolation="bilinear",
)


def noise(seed: int, channel: int, size: tuple[int, int] = (60, 48)) -> Image.Image:
    """Blocks of random brightness; `channel` (0 red, 2 blue) is the brightest."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 120, (6, 6, 3), dtype=np.uint8)
    coarse[..., channel] += 120
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def folder(root: Path, photos: int = 20) -> Path:
    """`normal/` red, `violate/qr/` and `violate/weapon/` blue: `photos` of each class."""
    for number in range(photos):
        category = "qr" if number % 2 else "weapon"
        for name, channel in (("normal", 0), (f"violate/{category}", 2)):
            place = root / name
            place.mkdir(parents=True, exist_ok=True)
            noise(number + 1000 * channel, channel).save(place / f"{number:03}.png")
    return root


def tiny_preset(**changes: object) -> Preset:
    """Two epochs at 32 pixels."""
    recipe: dict[str, object] = {
        "name": "tiny",
        "preprocessing": SPEC,
        "augmentation": {
            "crop": "random_resized",
            "sizes": [32],
            "min_area": 0.5,
            "flip": True,
            "colour": 0.2,
        },
        "loss": {"class_weights": "balanced"},
        "optimizer": {"kind": "adamw", "lr": 0.001, "weight_decay": 0.05},
        "schedule": {"kind": "one_cycle", "pct_start": 0.3},
        "batch": 8,
        "epochs": 2,
        "precision": "fp32",
    }
    return Preset.model_validate({**recipe, **changes})
