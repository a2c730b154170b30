"""`python -m benchmarks.predict_decided`: `/predict` with and without a comparison by features.

Two versions with the same weights take turns as champion: one has no rule, the other compares each
photo with as many decided ones as there can be. No other screens run.
"""

import hashlib
import http.client
import os
import re
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
import yaml
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from benchmarks.calibration import images_per_second
from benchmarks.photos import phone_mixture
from benchmarks.predict_load import LoadResult, ServingProcess, closed_loop, multipart, run_service
from benchmarks.setup import BenchShop, bench_shop
from ml.core.errors import ServiceError
from ml.models import registry
from ml.models.card import MemoryRule
from ml.models.checkpoint import load_checkpoint, save_card
from ml.models.training.preset import load_preset
from ml.moderation.pipeline.model_loading import ModelLoader
from ml.policy.schema import load_policy
from ml.policy.screens import MODEL_SCREENS
from ml.storage import photo_features
from ml.storage.database import in_transaction

_HOW = {"inference": "openvino", "number_type": "float32"}  # of features here and there
_FEATURES = 512
_SECONDS = 600.0  # for a version to be loaded, and for an answer
_RULE = MemoryRule(
    min_violating_share=0.9, photos=1, leaks_before=1, leaks_saved=1, new_leaks=0,
    added_review_share=0.0,
)  # fmt: skip
_LABELS = text(
    """
    insert into moderation.human_label (content_sha256, label, reviewer, route, decided_at)
    select unnest(cast(:contents as text[])), 'normal', 'benchmark', 'uncertain', :at
    """
)

console = Console(width=None if Console().is_terminal else 120)


def main(
    photos: Annotated[int, typer.Option(help="Photos of a round.", min=8)] = 100,
    rounds: Annotated[int, typer.Option(help="Rounds of each version.", min=1)] = 3,
    clients: Annotated[int, typer.Option(help="Clients of a round.", min=1)] = 16,
    decided: Annotated[
        int, typer.Option(help="Decided photos.", max=photo_features.MAX_PHOTOS)
    ] = photo_features.MAX_PHOTOS,
    refresh: Annotated[float, typer.Option(help="Seconds after which they are read again.")] = 300,
) -> None:
    """Measure on this machine, and print the figures."""
    bodies = [multipart(data) for data in phone_mixture(photos)]
    before = images_per_second()
    found: dict[str, list[tuple[LoadResult, float]]] = {}
    with bench_shop() as shop:
        versions = _two_versions(shop)
        _decide(shop, versions["compared"], decided)
        changed = {
            "policy_file": _screen_by_features(shop),
            "serve_duplicates_refresh_seconds": refresh,
            "serve_request_timeout_seconds": _SECONDS,
        }
        with run_service(shop, **changed, **_HOW) as served:
            for _ in range(rounds):
                for name, version in versions.items():
                    _promote(shop, served, version, bodies[0])
                    closed_loop(served, bodies[: len(bodies) // 4], clients=clients)  # warm
                    cpu_before = served.cpu_seconds
                    load = closed_loop(served, bodies, clients=clients)
                    cpu_seconds = served.cpu_seconds - cpu_before
                    found.setdefault(name, []).append((load, cpu_seconds))
            peak = served.peak_mebibytes
        log = (shop.folder / "serve.log").read_text(encoding="utf-8")
        if not re.search(rf'"compared_photos": {decided}\b', log):
            raise ServiceError(f"photos were not compared with {decided} decided ones")
    _print(found)
    load_average, after = os.getloadavg()[0], images_per_second()
    console.print(
        f"{decided:,} decided photos, read every {refresh:g} s; peak {peak:,.0f} MiB; "
        f"{os.cpu_count()} cores, load {load_average:.1f}; "
        f"ResNet18 at 224 px before and after: {before:.1f}, {after:.1f} images/s"
    )


def _screen_by_features(shop: BenchShop) -> Path:
    """Write the policy with the screens by features alone; return its path."""
    path = shop.without_screens()
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    raw["screens"] = {name: {"enabled": True} for name in MODEL_SCREENS}
    path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return path


def _two_versions(shop: BenchShop) -> dict[str, str]:
    """Versions with the same weights, by name."""
    folder = shop.random_version(load_preset("fast").preprocessing, seed=1)
    alone = shop.promote(folder)
    card = load_checkpoint(folder).card
    save_card(card.model_copy(update={"memory": _RULE, "min_similarity": -1.0}), folder)
    return {"alone": alone, "compared": shop.promote(folder)}


def _decide(shop: BenchShop, version: str, decided: int) -> None:
    """Write decisions on photos, and features of these as the service would compute them."""
    settings = shop.settings.model_copy(update=_HOW)
    loader = ModelLoader(load_policy(settings.policy_file), settings, shop.connections)
    source = loader.feature_source(version, loader.choose(version).computation)
    contents = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(decided)]
    features = np.random.default_rng(0).random((decided, _FEATURES)).astype(np.float16)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    engine, rows = shop.connections.engine, dict(zip(contents, features, strict=True))
    in_transaction(engine, lambda c: c.execute(_LABELS, {"contents": contents, "at": yesterday}))
    in_transaction(engine, lambda c: photo_features.write(c, source, rows))


def _promote(shop: BenchShop, served: ServingProcess, version: str, body: bytes) -> None:
    """Promote a version, and wait until it answers."""
    engine = shop.connections.engine
    if in_transaction(engine, registry.champion_hash) != version:
        registry.promote(version, engine=engine, by="benchmark", reason="round")
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=_SECONDS)
        with closing(connection):
            if served.send(connection, 0, body).version == version:
                return
        time.sleep(0.5)
    raise ServiceError(f"version {version} was not loaded within {_SECONDS:g} s")


def _print(found: dict[str, list[tuple[LoadResult, float]]]) -> None:
    """The processor time is that of the service without its decode workers."""
    table = Table(
        "photos", "answered", "images/s of each round", "service CPU ms/photo", "p50, s", "p99, s"
    )
    for name, rounds in found.items():
        pooled = LoadResult([reply for load, _ in rounds for reply in load.replies])
        rates = ", ".join(f"{load.images_per_second:.1f}" for load, _ in rounds)
        work = ", ".join(f"{1000 * cpu / len(load.replies):.0f}" for load, cpu in rounds)
        p50, p99 = pooled.percentile(0.50), pooled.percentile(0.99)
        table.add_row(name, str(pooled.statuses), rates, work, f"{p50:.2f}", f"{p99:.2f}")
    console.print(table)
    pairs = list(zip(found["alone"], found["compared"], strict=True))
    speed = [now.images_per_second / before.images_per_second for (before, _), (now, _) in pairs]
    cost = [now / before for (_, before), (_, now) in pairs]
    console.print(f"images/s, compared to alone: {_listed(speed)}; CPU time: {_listed(cost)}")


def _listed(ratios: list[float]) -> str:
    return ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios))


if __name__ == "__main__":
    typer.run(main)
