"""The baseline: the source article's loop, one photo at a time.

Its `/predict` (section 4.2) with its `val_transform` (section 2.2): full decode, `Resize(256)`,
`CenterCrop(224)`, a float32 forward pass of one photo, the class with the larger logit; then one
committed UPDATE. The article publishes no throughput, so the loop is measured here.
"""

import io
import time
from collections.abc import Sequence

import torch
from PIL import Image
from rich.progress import track
from sqlalchemy import update
from torch import nn
from torchvision import transforms

from benchmarks.results import Throughput
from benchmarks.setup import BenchShop
from ml.core.concurrency import StageTimer
from ml.models import registry
from ml.models.predictor import resolve_device
from ml.vision.images.preprocess import ARTICLE

STATUS_BY_CLASS = {"normal": "pass", "violate": "review"}


def run_baseline_loop(
    shop: BenchShop, keys: Sequence[str], model_hash: str, *, threads: int
) -> Throughput:
    """Classify the photos as the article does, with the weights of a registered version.

    Loading the model is not counted. `threads` are torch's: on a busy machine every layer waits for
    the slowest core, and a single thread can be faster.
    """
    loop = _BaselineLoop(shop, model_hash)
    name = f"baseline, {threads} thread{'s' * (threads > 1)}"
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        start = time.monotonic()
        for key in track(keys, name):
            loop.classify(key)
        wall = time.monotonic() - start
    finally:
        torch.set_num_threads(before)
    return Throughput(name, len(keys), wall, loop.clock.drain())


class _BaselineLoop:
    def __init__(self, shop: BenchShop, model_hash: str) -> None:
        self.clock = StageTimer()
        self._connections = shop.connections
        self._device = resolve_device(shop.settings.device)
        checkpoint = registry.fetch(
            model_hash, store=shop.connections.models, cache=shop.connections.model_cache
        )
        self._classes = checkpoint.card.classes
        network = checkpoint.build_network()
        self._network: nn.Module = network.to(self._device)
        self._transform = transforms.Compose(
            [
                transforms.Resize(ARTICLE.resize),
                transforms.CenterCrop(ARTICLE.crop),
                transforms.ToTensor(),
                transforms.Normalize(list(ARTICLE.mean), list(ARTICLE.std)),
            ]
        )

    def classify(self, key: str) -> None:
        with self.clock.time("fetch"):
            data = self._connections.photos.get(key)
        with self.clock.time("decode"):
            photo = Image.open(io.BytesIO(data)).convert("RGB")
            pixels: torch.Tensor = self._transform(photo).unsqueeze(0)
        with self.clock.time("forward"), torch.no_grad():
            verdict = self._classes[int(self._network(pixels.to(self._device)).argmax(1).item())]
        with self.clock.time("write"):
            self._write(key, STATUS_BY_CLASS[verdict])

    def _write(self, key: str, status: str) -> None:
        table = self._connections.commerce
        row = update(table).where(table.c.object_key == key)
        with self._connections.engine.begin() as connection:
            connection.execute(row.values(moderation_status=status))
