"""`python -m benchmarks.queue_page`: what the review queue's page waits for, over real HTTP.

Servers of its own, 100,000 open tasks among 200,000, ten million verdicts, and Airflow's API server
with the plugin. First the medians of the page's requests, login and rights included; then, for each
act of the library, its slowest statement with its plan. Wanted: the page's answers under 150 ms,
the next photo under 100 ms.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, event, text

from benchmarks.queue_fill import PHOTOS, Amounts, fill
from benchmarks.setup import BenchShop, bench_shop
from ml.embedded import services as embedded
from ml.images.preprocess import ARTICLE
from ml.policy.policy import Policy, load_policy
from ml.review.decide import Decision, decide
from ml.review.filters import Filters
from ml.review.near_decisions import NearDecisions
from ml.review.queue import claim, counts
from ml.review.shown_task import shown_tasks
from ml.review.why import why
from stack.airflow import Airflow

BATCH = 12
REVIEWER = "reviewer"

console = Console(width=160, soft_wrap=True)


def main(
    verdicts: Annotated[int, typer.Option(help="Rows of verdicts.", min=200_000)] = 10_000_000,
    rounds: Annotated[int, typer.Option(help="Requests of each kind.", min=5)] = 50,
) -> None:
    """Fill, measure, explain."""
    with bench_shop() as shop:
        policy = load_policy(shop.settings.policy_file)
        model_hash = shop.champion(ARTICLE, seed=0)
        amounts = Amounts(verdicts, open_tasks=100_000, decided_tasks=100_000)
        began = time.monotonic()
        fill(shop, amounts, model_hash=model_hash, policy_version=policy.version)
        console.print(f"{amounts}, filled in {time.monotonic() - began:.0f} s")
        with _served(shop) as http:
            console.print(_table(_requests(http, rounds, model_hash)))
        _explain(shop, policy)


@contextmanager
def _served(shop: BenchShop) -> Iterator[httpx.Client]:
    """Airflow's API server with the plugin, and a client with a reviewer's login and token."""
    airflow = Airflow(shop.folder / "airflow", embedded.start(shop.folder), shop.settings)
    airflow.prepare()
    airflow.start(["api-server"])
    try:
        with airflow.client(REVIEWER) as api:
            login = api.login
        url = f"{airflow.url}/moderation"
        page = httpx.get(f"{url}/help", headers=login, timeout=60).raise_for_status().text
        token = page.partition('"token": "')[2].partition('"')[0]
        headers = login | {"X-Moderation-Token": token}
        with httpx.Client(base_url=url, headers=headers, timeout=60) as http:
            yield http
    finally:
        airflow.stop()


class _Timed:
    """Milliseconds of requests, by name in the order of their first."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self.found: dict[str, list[float]] = {}

    def __call__(self, name: str, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        start = time.perf_counter()
        answer = self._http.request(method, path, json=body)
        self.found.setdefault(name, []).append((time.perf_counter() - start) * 1e3)
        answer.raise_for_status()
        return answer.json() if "json" in answer.headers["Content-Type"] else None


def _requests(http: httpx.Client, rounds: int, model_hash: str) -> dict[str, list[float]]:
    timed = _Timed(http)
    for _ in range(rounds):
        timed("the page", "GET", "/queue")
    photos = timed("first claim", "POST", "/api/queue/claim", {"count": PHOTOS})["tasks"]
    _photos(timed, [task["photo"] for task in photos], model_hash)
    http.post("/api/queue/release", json={})
    _reads(timed, rounds)
    _acts(timed, rounds)
    return timed.found


def _photos(timed: _Timed, contents: list[str], model_hash: str) -> None:
    """Each photo anew, then from the server's memory."""
    for side in (1280, 320):
        for name in (f"photo of {side}, first", f"photo of {side}, again"):
            for content in contents:
                timed(name, "GET", f"/photos/{content}?side={side}")
    for number, content in enumerate(contents):
        name = "activation map" if number else "activation map, first (loads torch)"
        asked = httpx.QueryParams(model=model_hash, label="violate", side=1280)
        timed(name, "GET", f"/photos/{content}/activation?{asked}")


def _reads(timed: _Timed, rounds: int) -> None:
    tasks = timed("first claim", "POST", "/api/queue/claim", {"count": BATCH})["tasks"]
    timed("why, first (reads hashes)", "GET", f"/api/queue/tasks/{tasks[0]['task_id']}/why")
    for number in range(rounds):
        task_id = tasks[number % len(tasks)]["task_id"]
        timed("why", "GET", f"/api/queue/tasks/{task_id}/why")
        timed("held", "GET", "/api/queue/held")
        timed("counts", "POST", "/api/queue/counts", {})
        filters = {"category": "violate"}
        timed("counts of a category", "POST", "/api/queue/counts", {"filters": filters})
    timed("release", "POST", "/api/queue/release", {})


def _acts(timed: _Timed, rounds: int) -> None:
    for order in ("priority", "oldest"):
        for _ in range(rounds):
            body = {"count": BATCH, "order": order}
            tasks = timed(f"claim {BATCH} by {order}", "POST", "/api/queue/claim", body)["tasks"]
            decision = {"task_id": tasks[0]["task_id"], "label": "normal"}
            said = {"decisions": [decision]}
            timed("decide", "POST", "/api/queue/decide", said)
            timed("undo", "POST", "/api/queue/undo", {"task_id": decision["task_id"]})
            timed("decide", "POST", "/api/queue/decide", said)
            timed("release", "POST", "/api/queue/release", {})


def _table(found: dict[str, list[float]]) -> Table:
    table = Table("request", "times", "median ms", "95 % ms")
    for name, times in found.items():
        most = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
        table.add_row(name, str(len(times)), f"{statistics.median(times):.1f}", f"{most:.1f}")
    return table


@dataclass
class _Slowest:
    """The statement of an act that took longest."""

    seconds: float = -1.0
    sql: str = ""
    values: Any = None
    started: float = field(default=0.0, repr=False)

    def before(self, *_: object) -> None:
        """Of SQLAlchemy's event."""
        self.started = time.perf_counter()

    def after(self, _c: object, _cursor: object, sql: str, values: object, *_: object) -> None:
        """As above."""
        seconds = time.perf_counter() - self.started
        if seconds > self.seconds:
            self.seconds, self.sql, self.values = seconds, sql, values


def _explain(shop: BenchShop, policy: Policy) -> None:
    """Each act in a transaction that is taken back, its slowest statement again with its plan."""
    decided, connections = NearDecisions(), shop.connections
    commerce, names = connections.commerce, shop.settings.commerce
    parts: dict[str, Any] = {"policy": policy, "commerce": commerce}
    some = "select task_id from moderation.review_task where state = 'open' limit 12"
    with connections.engine.begin() as connection:
        ids = list(connection.execute(text(some)).scalars())
        why(connection, ids[0], policy=policy, decided=decided)  # reads the hashes
    lease: dict[str, Any] = {"reviewer": REVIEWER, "count": BATCH, "lease_seconds": 300}
    lease["commerce"] = commerce
    of_class = Filters(category="violate")
    acts: dict[str, Callable[[Connection], object]] = {
        "claim": lambda c: claim(c, **lease),
        "claim the oldest": lambda c: claim(c, **lease, order="oldest"),
        "claim a category": lambda c: claim(c, **lease, filters=of_class),
        "what the page shows of 12 tasks": lambda c: shown_tasks(c, ids, **parts),
        "counts": lambda c: counts(c, commerce=commerce),
        "counts of a category": lambda c: counts(c, commerce=commerce, filters=of_class),
        "why": lambda c: why(c, ids[1], policy=policy, decided=decided),
        "decide": lambda c: decide(c, Decision(ids[2], "normal", REVIEWER), **parts, names=names),
    }
    for name, act in acts.items():
        _plan(shop, name, act)


def _plan(shop: BenchShop, name: str, act: Callable[[Connection], object]) -> None:
    slowest = _Slowest()
    with shop.connections.engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", slowest.before)
        event.listen(connection, "after_cursor_execute", slowest.after)
        act(connection)
        connection.rollback()
        sql, values = slowest.sql, slowest.values
        plan = connection.exec_driver_sql(f"explain (analyze, buffers) {sql}", values)
        lines = [row[0] for row in plan]
        connection.rollback()
    console.rule(name)
    console.print("\n".join(lines), markup=False, highlight=False)


if __name__ == "__main__":
    typer.run(main)
