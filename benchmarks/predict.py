"""`python -m benchmarks.predict`: `/predict` beside the offline pipeline, overload, a switch."""

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
from benchmarks.predict_load import Load, Serving, closed_loop, multipart, open_loop, serving
from benchmarks.setup import BenchShop, bench_shop
from ml.images.decode import decode_limits
from ml.images.preprocess import ARTICLE, Preprocessing
from ml.inference.device import describe, resolve
from ml.inference.outcome import Scored
from ml.inference.pipeline import Pipeline
from ml.inference.predictor import Predictor
from ml.model import registry
from ml.policy.policy import Policy, load_policy
from ml.screens.duplicates import DecidedPhotos
from ml.screens.screening import Screening
from ml.storage.images import PendingImage
from ml.training.preset import load_preset

TARGET = 0.70  # of the offline pipeline's images a second, the least that is asked
TIMES = 5.0  # its capacity, in the overload
Scores = dict[str, float]

console = Console()


@dataclass(frozen=True)
class Plan:
    """What is sent: the photos, and how often, by how many and for how long."""

    contents: list[bytes]
    rounds: int
    clients: int
    overload_seconds: float
    switches: int

    @property
    def bodies(self) -> list[bytes]:
        """A request for each photo."""
        return [multipart(data) for data in self.contents]


@dataclass(frozen=True)
class Offline:
    """The pipeline over bytes in memory: wall and processor seconds, and the scores."""

    wall_seconds: float
    cpu_seconds: float
    scores: list[Scores]
    read: int


class InMemory:
    """Photos as a bucket gives them, without one."""

    def __init__(self, contents: Sequence[bytes]) -> None:
        self._contents = contents

    def get(self, key: str, *, etag: str | None = None, max_bytes: int | None = None) -> bytes:  # noqa: ARG002 - the protocol's
        """The bytes of one photo."""
        return self._contents[int(key)]


def main(  # noqa: PLR0917 - typer's options
    photos: Annotated[int, typer.Option(help="Photos of a round.", min=8)] = 200,
    rounds: Annotated[int, typer.Option(help="Rounds; medians count.", min=1)] = 3,
    clients: Annotated[int, typer.Option(help="Clients of the sustained load.", min=1)] = 64,
    overload: Annotated[float, typer.Option(help="Seconds of overload; 0: none.")] = 60.0,
    switches: Annotated[int, typer.Option(help="Switches under load; 0: none.")] = 4,
    screens: Annotated[bool, typer.Option(help="Judge by the policy's screens, too.")] = False,
    preset: Annotated[str, typer.Option(help="`article` or a preset: its pixels.")] = "article",
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Measure and print; every figure is of this machine and this run."""
    spec = ARTICLE if preset == "article" else load_preset(preset).preprocessing
    contents = list(phone_mixture(photos))
    with bench_shop() as opened:
        path = opened.settings.policy_file if screens else opened.without_screens()
        settings = opened.settings.model_copy(update={"policy_file": path})
        shop = replace(opened, settings=settings)
        plan = Plan(contents, rounds, clients, overload, switches)
        figures = _measure(shop, spec, plan)
    figures |= {"photos": photos, "mixture": MIXTURE, "screens": screens, "preset": preset}
    console.print_json(json.dumps(figures))
    if out is not None:
        out.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _measure(shop: BenchShop, spec: Preprocessing, plan: Plan) -> dict[str, object]:
    versions = [shop.champion(spec, seed=seed) for seed in (1, 2)]
    policy = load_policy(shop.settings.policy_file)
    figures: dict[str, object] = {
        "machine": describe(resolve(shop.settings.device)),
        "load_before": psutil.getloadavg()[0],
    }
    known = {v: _offline(shop, v, policy, plan.contents) for v in versions}
    with serving(shop, serve_poll_seconds=1.0) as served:
        bodies = plan.bodies
        closed_loop(served, bodies[: len(bodies) // 4], clients=plan.clients)  # warm
        rows = [_round(shop, served, versions[-1], policy, plan) for _ in range(plan.rounds)]
        figures |= _sustained(rows)
        if plan.overload_seconds:
            rate = TIMES * _best(rows).images_per_second
            load = open_loop(
                served, bodies, rate=rate, seconds=plan.overload_seconds, clients=4 * plan.clients
            )
            figures["overload"] = _told(load, known, served) | {"asked_per_second": rate}
        if plan.switches:
            load = _switching(shop, served, versions, plan)
            figures["switch"] = _told(load, known, served) | {"switches": plan.switches}
    return figures


def _round(
    shop: BenchShop, served: Serving, version: str, policy: Policy, plan: Plan
) -> tuple[Offline, Load, float]:
    offline = _offline(shop, version, policy, plan.contents)
    before = served.cpu_seconds
    online = closed_loop(served, plan.bodies, clients=plan.clients)
    cpu = served.cpu_seconds - before
    _print(offline, online, cpu, len(plan.contents))
    return offline, online, cpu


def _offline(shop: BenchShop, version: str, policy: Policy, contents: list[bytes]) -> Offline:
    """The night's pipeline on the same bytes, in this process."""
    settings, stores = shop.settings, shop.connections
    checkpoint = registry.fetch(version, store=stores.models, cache=stores.model_cache)
    screening = (
        Screening(policy.screens, DecidedPhotos(()), workers=settings.decode_threads)
        if policy.screens.decisive
        else None
    )
    pipeline = Pipeline(
        store=InMemory(contents),
        predictor=Predictor(
            checkpoint, device=resolve(settings.device), batch_images=settings.batch_images
        ),
        limits=decode_limits(settings),
        fetch_threads=settings.fetch_threads,
        decode_threads=settings.decode_threads,
        picture_side=policy.screens.picture_side,
        screening=screening,
    )
    images = [PendingImage(str(n), "", len(data)) for n, data in enumerate(contents)]
    start, cpu = time.monotonic(), time.process_time()
    outcomes = [outcome for batch in pipeline.run(images) for outcome in batch]
    wall, cpu = time.monotonic() - start, time.process_time() - cpu
    scored = [outcome for outcome in outcomes if isinstance(outcome, Scored)]
    read = sum(bool(o.screens["text"].evidence.get("read")) for o in scored if "text" in o.screens)
    return Offline(wall, cpu, [outcome.scores for outcome in scored], read)


def _switching(shop: BenchShop, served: Serving, versions: list[str], plan: Plan) -> Load:
    """Closed loops over and over while the champion changes."""
    total, start = Load(), time.monotonic()
    for n in range(plan.switches):
        registry.promote(
            versions[n % 2], engine=shop.connections.engine, by="benchmark", reason="switch"
        )
        total.replies += closed_loop(served, plan.bodies, clients=plan.clients).replies
    total.wall_seconds = time.monotonic() - start
    return total


def _told(load: Load, known: dict[str, Offline], served: Serving) -> dict[str, object]:
    """What became of a load; wrong is an answer whose scores are not the offline pipeline's."""
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


def _best(rows: list[tuple[Offline, Load, float]]) -> Load:
    return max((online for _, online, _ in rows), key=lambda online: online.images_per_second)


def _sustained(rows: list[tuple[Offline, Load, float]]) -> dict[str, object]:
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
        "online_images_per_second": _best(rows).images_per_second,
        "ratio_wall": ratios[len(ratios) // 2],
        "ratios_wall": ratios,
        "ratio_cpu": work[len(work) // 2],
        "ratios_cpu": work,
        "target": TARGET,
        "statuses": [online.statuses for _, online, _ in rows],
        "p50_seconds": [online.percentile(0.50) for _, online, _ in rows],
        "p99_seconds": [online.percentile(0.99) for _, online, _ in rows],
        "wrong": wrong,
        "read_offline": [o.read for o, _, _ in rows],
    }


def _print(offline: Offline, online: Load, cpu: float, photos: int) -> None:
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
