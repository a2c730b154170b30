"""The peer: the source article's own loop, one photo at a time.

Its `/predict` (section 4.2) over its `val_transform` (section 2.2): full decode, `Resize(256)`,
`CenterCrop(224)`, a float32 forward of one photo, the larger logit wins; then one committed UPDATE.
The article publishes no speed of its own, so the loop is run here.
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

from benchmarks.measured import Measured
from benchmarks.setup import BenchShop
from ml.images.preprocess import ARTICLE
from ml.inference.clock import StageClock
from ml.inference.device import resolve
from ml.model import registry
from ml.model.resnet18 import build

STATUS = {"normal": "pass", "violate": "review"}


def run_article_loop(
    shop: BenchShop, keys: Sequence[str], model_hash: str, *, threads: int
) -> Measured:
    """Judge the photos as the article does, with the weights of a registered version.

    Loading the model is not counted. `threads` are torch's: on a busy machine one photo over all
    cores waits at every layer for the slowest of them, and a single thread can be the faster.
    """
    loop = _ArticleLoop(shop, model_hash)
    name = f"article, {threads} thread{'s' * (threads > 1)}"
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        start = time.monotonic()
        for key in track(keys, name):
            loop.judge(key)
        wall = time.monotonic() - start
    finally:
        torch.set_num_threads(before)
    return Measured(name, len(keys), wall, loop.clock.take())


class _ArticleLoop:
    def __init__(self, shop: BenchShop, model_hash: str) -> None:
        self.clock = StageClock()
        self._connections = shop.connections
        self._device = resolve(shop.settings.device)
        checkpoint = registry.fetch(
            model_hash, store=shop.connections.models, cache=shop.connections.model_cache
        )
        self._classes = checkpoint.card.classes
        network = build(len(self._classes))
        network.load_state_dict(checkpoint.state)
        self._network: nn.Module = network.eval().to(self._device)
        self._transform = transforms.Compose(
            [
                transforms.Resize(ARTICLE.resize),
                transforms.CenterCrop(ARTICLE.crop),
                transforms.ToTensor(),
                transforms.Normalize(list(ARTICLE.mean), list(ARTICLE.std)),
            ]
        )

    def judge(self, key: str) -> None:
        with self.clock.time("fetch"):
            data = self._connections.photos.get(key)
        with self.clock.time("decode"):
            photo = Image.open(io.BytesIO(data)).convert("RGB")
            pixels: torch.Tensor = self._transform(photo).unsqueeze(0)
        with self.clock.time("forward"), torch.no_grad():
            verdict = self._classes[int(self._network(pixels.to(self._device)).argmax(1).item())]
        with self.clock.time("write"):
            self._write(key, STATUS[verdict])

    def _write(self, key: str, status: str) -> None:
        table = self._connections.commerce
        row = update(table).where(table.c.object_key == key)
        with self._connections.engine.begin() as connection:
            connection.execute(row.values(moderation_status=status))
