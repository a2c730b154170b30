"""`python -m benchmarks.predict`: `/predict` versus the offline pipeline, overload, promotions."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.photos import MIXTURE, phone_mixture
from benchmarks.predict_load import (
    LoadResult,
    ServingProcess,
    closed_loop,
    multipart,
    open_loop,
    run_service,
)
from benchmarks.setup import BenchShop, bench_shop
from ml.core.types import PendingImage, Scored
from ml.models import registry
from ml.models.predictor import Predictor, describe_device, resolve_device
from ml.models.training.preset import load_preset
from ml.moderation.pipeline.pipeline import Pipeline
from ml.moderation.pipeline.screening import load_screening
from ml.policy.schema import Policy, load_policy
from ml.vision.images.preprocess import ARTICLE, Preprocessing
from ml.vision.screens.duplicate_index import DuplicateIndex

TARGET_RATIO = 0.70  # minimum throughput, as a share of the offline pipeline's
OVERLOAD_FACTOR = 5.0  # request rate of the overload, as a multiple of the capacity
Scores = dict[str, float]

console = Console()


@dataclass(frozen=True)
class LoadPlan:
    """The load: photos, rounds, clients, seconds of overload, promotions under load."""

    contents: list[bytes]
    rounds: int
    clients: int
    overload_seconds: float
    switches: int

    @property
    def bodies(self) -> list[bytes]:
        """The request body of each photo."""
        return [multipart(data) for data in self.contents]


@dataclass(frozen=True)
class OfflineResult:
    """The pipeline over bytes in memory: wall and CPU seconds, scores, photos read for text."""

    wall_seconds: float
    cpu_seconds: float
    scores: list[Scores]
    read: int


class InMemoryStore:
    """An in-memory replacement of the photo bucket."""

    def __init__(self, contents: Sequence[bytes]) -> None:
        self._contents = contents

    def get(self, key: str, **_: object) -> bytes:
        """Return the bytes of one photo."""
        return self._contents[int(key)]


def main(  # noqa: PLR0917 - typer's options
    photos: Annotated[int, typer.Option(help="Photos of a round.", min=8)] = 200,
    rounds: Annotated[int, typer.Option(help="Rounds; medians count.", min=1)] = 3,
    clients: Annotated[int, typer.Option(help="Clients of the sustained load.", min=1)] = 64,
    overload: Annotated[float, typer.Option(help="Seconds of overload; 0: none.")] = 60.0,
    switches: Annotated[int, typer.Option(help="Promotions under load; 0: none.")] = 4,
    screens: Annotated[bool, typer.Option(help="With the policy's screens.")] = False,
    preset: Annotated[str, typer.Option(help="`article` or a preset: its pixels.")] = "article",
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Measure on this machine, and print the figures."""
    spec = ARTICLE if preset == "article" else load_preset(preset).preprocessing
    contents = list(phone_mixture(photos))
    with bench_shop() as opened:
        path = opened.settings.policy_file if screens else opened.without_screens()
        settings = opened.settings.model_copy(update={"policy_file": path})
        shop = replace(opened, settings=settings)
        plan = LoadPlan(contents, rounds, clients, overload, switches)
        figures = _measure(shop, spec, plan)
    figures |= {"photos": photos, "mixture": MIXTURE, "screens": screens, "preset": preset}
    console.print_json(json.dumps(figures))
    if out is not None:
        out.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _measure(shop: BenchShop, spec: Preprocessing, plan: LoadPlan) -> dict[str, object]:
    versions = [shop.champion(spec, seed=seed) for seed in (1, 2)]
    policy = load_policy(shop.settings.policy_file)
    figures: dict[str, object] = {
        "machine": describe_device(resolve_device(shop.settings.device)),
        "load_before": psutil.getloadavg()[0],
    }
    known = {v: _run_offline(shop, v, policy, plan.contents) for v in versions}
    with run_service(shop, serve_poll_seconds=1.0) as served:
        bodies = plan.bodies
        closed_loop(served, bodies[: len(bodies) // 4], clients=plan.clients)  # warm
        rows = [_run_round(shop, served, versions[-1], policy, plan) for _ in range(plan.rounds)]
        figures |= _sustained_figures(rows)
        if plan.overload_seconds:
            rate = OVERLOAD_FACTOR * _fastest_round(rows).images_per_second
            load = open_loop(
                served, bodies, rate=rate, seconds=plan.overload_seconds, clients=4 * plan.clients
            )
            figures["overload"] = _load_figures(load, known, served) | {"asked_per_second": rate}
        if plan.switches:
            load = _switch_versions_under_load(shop, served, versions, plan)
            figures["switch"] = _load_figures(load, known, served) | {"switches": plan.switches}
    return figures


def _run_round(
    shop: BenchShop, served: ServingProcess, version: str, policy: Policy, plan: LoadPlan
) -> tuple[OfflineResult, LoadResult, float]:
    offline = _run_offline(shop, version, policy, plan.contents)
    before = served.cpu_seconds
    online = closed_loop(served, plan.bodies, clients=plan.clients)
    cpu = served.cpu_seconds - before
    _print_round(offline, online, cpu, len(plan.contents))
    return offline, online, cpu


def _run_offline(
    shop: BenchShop, version: str, policy: Policy, contents: list[bytes]
) -> OfflineResult:
    """Run the nightly pipeline on the same bytes, in this process."""
    settings, stores = shop.settings, shop.connections
    checkpoint = registry.fetch(version, store=stores.models, cache=stores.model_cache)
    pipeline = Pipeline(
        store=InMemoryStore(contents),
        predictor=Predictor(
            checkpoint, device=resolve_device(settings.device), batch_size=settings.batch_size
        ),
        violations=policy.violations,
        settings=settings,
        picture_side=policy.screens.picture_side,
        screening=load_screening(policy.screens, DuplicateIndex(())),
    )
    images = [PendingImage(str(n), "", len(data)) for n, data in enumerate(contents)]
    start, cpu = time.monotonic(), time.process_time()
    outcomes = [outcome for batch in pipeline.run(images) for outcome in batch]
    wall, cpu = time.monotonic() - start, time.process_time() - cpu
    scored = [outcome for outcome in outcomes if isinstance(outcome, Scored)]
    read = sum(bool(o.screens["text"].evidence.get("read")) for o in scored if "text" in o.screens)
    return OfflineResult(wall, cpu, [outcome.scores for outcome in scored], read)


def _switch_versions_under_load(
    shop: BenchShop, served: ServingProcess, versions: list[str], plan: LoadPlan
) -> LoadResult:
    """Repeat closed loops while the champion changes."""
    total, start = LoadResult(), time.monotonic()
    for n in range(plan.switches):
        registry.promote(
            versions[n % 2], engine=shop.connections.engine, by="benchmark", reason="switch"
        )
        total.replies += closed_loop(served, plan.bodies, clients=plan.clients).replies
    total.wall_seconds = time.monotonic() - start
    return total


def _load_figures(
    load: LoadResult, known: dict[str, OfflineResult], served: ServingProcess
) -> dict[str, object]:
    """Summarize a load; an answer is wrong if its scores differ from the offline pipeline's."""
    wrong = sum(known[str(r.version)].scores[r.photo] != r.scores for r in load.answered)
    by_version = {v[:12]: sum(r.version == v for r in load.answered) for v in known}
    return {
        "sent": len(load.replies),
        "statuses": load.statuses,
        "wrong": wrong,
        "answers_by_version": by_version,
        "images_per_second": load.images_per_second,
        "p50_seconds": load.percentile(0.50),
        "p99_seconds": load.percentile(0.99),
        "peak_mebibytes": served.peak_mebibytes,
        "wall_seconds": load.wall_seconds,
    }


def _fastest_round(rows: list[tuple[OfflineResult, LoadResult, float]]) -> LoadResult:
    return max((online for _, online, _ in rows), key=lambda online: online.images_per_second)


def _sustained_figures(rows: list[tuple[OfflineResult, LoadResult, float]]) -> dict[str, object]:
    photos = len(rows[0][0].scores)
    ratios = sorted(o.wall_seconds / online.wall_seconds for o, online, _ in rows)
    work = sorted(o.cpu_seconds / cpu for o, _, cpu in rows)
    wrong = sum(
        offline.scores[reply.photo] != reply.scores
        for offline, online, _ in rows
        for reply in online.answered
    )
    return {
        "offline_images_per_second": [photos / o.wall_seconds for o, _, _ in rows],
        "online_images_per_second": _fastest_round(rows).images_per_second,
        "ratio_wall": ratios[len(ratios) // 2],
        "ratios_wall": ratios,
        "ratio_cpu": work[len(work) // 2],
        "ratios_cpu": work,
        "target": TARGET_RATIO,
        "statuses": [online.statuses for _, online, _ in rows],
        "p50_seconds": [online.percentile(0.50) for _, online, _ in rows],
        "p99_seconds": [online.percentile(0.99) for _, online, _ in rows],
        "wrong": wrong,
        "read_offline": [o.read for o, _, _ in rows],
    }


def _print_round(offline: OfflineResult, online: LoadResult, cpu: float, photos: int) -> None:
    table = Table("side", "img/s", "CPU ms/photo", "p50 s", "p99 s", "statuses")
    off, on = photos / offline.wall_seconds, online.images_per_second
    table.add_row("offline", f"{off:.2f}", f"{1000 * offline.cpu_seconds / photos:.1f}", "", "", "")
    p50, p99 = online.percentile(0.50), online.percentile(0.99)
    table.add_row(
        "/predict", f"{on:.2f}", f"{1000 * cpu / photos:.1f}", f"{p50:.2f}", f"{p99:.2f}",
        str(online.statuses),
    )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
