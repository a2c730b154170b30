"""`python -m benchmarks.queue_page`: latency of the review queue's requests over real HTTP.

Temporary servers with 100,000 open tasks among 200,000, ten million verdicts, and Airflow's API
server with the plugin. It prints the median latency of each request, including login and
permissions, and then the query plan of the slowest statement of each action. Targets: 150 ms for a
request, 100 ms for the next photo.
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

from benchmarks.queue_fill import REAL_PHOTOS, RowCounts, fill_queue
from benchmarks.setup import BenchShop, bench_shop
from devtools.embedded import services as embedded
from devtools.local_stack.airflow import Airflow
from ml.policy.schema import Policy, load_policy
from ml.review.decide import ReviewerDecision, decide_task
from ml.review.queue import claim_tasks
from ml.review.task_explanation import SimilarDecisions, explain_task
from ml.review.task_view import load_task_views
from ml.storage.review_queue import count_tasks
from ml.storage.task_filters import Filters
from ml.vision.images.preprocess import ARTICLE

BATCH = 12
REVIEWER = "reviewer"

console = Console(width=160, soft_wrap=True)


def main(
    verdicts: Annotated[int, typer.Option(help="Rows of verdicts.", min=200_000)] = 10_000_000,
    rounds: Annotated[int, typer.Option(help="Requests of each kind.", min=5)] = 50,
) -> None:
    """Fill the queue, measure the requests, and explain the slowest statements."""
    with bench_shop() as shop:
        policy = load_policy(shop.settings.policy_file)
        model_hash = shop.champion(ARTICLE, seed=0)
        amounts = RowCounts(verdicts, open_tasks=100_000, decided_tasks=100_000)
        began = time.monotonic()
        fill_queue(shop, amounts, model_hash=model_hash, policy_version=policy.version)
        console.print(f"{amounts}, filled in {time.monotonic() - began:.0f} s")
        with _serve_pages(shop) as http:
            console.print(_results_table(_time_requests(http, rounds, model_hash)))
        _explain_actions(shop, policy)


@contextmanager
def _serve_pages(shop: BenchShop) -> Iterator[httpx.Client]:
    """Run Airflow's API server with the plugin; yield a client logged in as a reviewer."""
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


class _TimedClient:
    """HTTP client that records the milliseconds of requests by name, in order of first use."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self.times: dict[str, list[float]] = {}

    def __call__(self, name: str, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        start = time.perf_counter()
        response = self._http.request(method, path, json=body)
        self.times.setdefault(name, []).append((time.perf_counter() - start) * 1e3)
        response.raise_for_status()
        return response.json() if "json" in response.headers["Content-Type"] else None


def _time_requests(http: httpx.Client, rounds: int, model_hash: str) -> dict[str, list[float]]:
    timed = _TimedClient(http)
    for _ in range(rounds):
        timed("the page", "GET", "/queue")
    photos = timed("first claim", "POST", "/api/queue/claim", {"count": REAL_PHOTOS})["tasks"]
    _time_photos(timed, [task["photo"] for task in photos], model_hash)
    http.post("/api/queue/release", json={})
    _time_reads(timed, rounds)
    _time_actions(timed, rounds)
    return timed.times


def _time_photos(timed: _TimedClient, contents: list[str], model_hash: str) -> None:
    """Time each photo twice: the second time it comes from the server's cache."""
    for side in (1280, 320):
        for name in (f"photo of {side}, first", f"photo of {side}, again"):
            for content in contents:
                timed(name, "GET", f"/photos/{content}?side={side}")
    for number, content in enumerate(contents):
        name = "activation map" if number else "activation map, first (loads torch)"
        asked = httpx.QueryParams(model=model_hash, label="violate", side=1280)
        timed(name, "GET", f"/photos/{content}/activation?{asked}")


def _time_reads(timed: _TimedClient, rounds: int) -> None:
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


def _time_actions(timed: _TimedClient, rounds: int) -> None:
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


def _results_table(found: dict[str, list[float]]) -> Table:
    table = Table("request", "times", "median ms", "95 % ms")
    for name, times in found.items():
        most = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
        table.add_row(name, str(len(times)), f"{statistics.median(times):.1f}", f"{most:.1f}")
    return table


@dataclass
class _SlowestStatement:
    """The slowest statement of an action."""

    seconds: float = -1.0
    sql: str = ""
    values: Any = None
    started: float = field(default=0.0, repr=False)

    def before(self, *_: object) -> None:
        """Handle SQLAlchemy's event `before_cursor_execute`."""
        self.started = time.perf_counter()

    def after(self, _c: object, _cursor: object, sql: str, values: object, *_: object) -> None:
        """Handle SQLAlchemy's event `after_cursor_execute`."""
        seconds = time.perf_counter() - self.started
        if seconds > self.seconds:
            self.seconds, self.sql, self.values = seconds, sql, values


def _explain_actions(shop: BenchShop, policy: Policy) -> None:
    """Run each action in a transaction, explain its slowest statement, and roll back."""
    decided, connections = SimilarDecisions(), shop.connections
    commerce, names = connections.commerce, shop.settings.commerce
    parts: dict[str, Any] = {"policy": policy, "commerce": commerce}
    some = "select task_id from moderation.review_task where state = 'open' limit 12"
    with connections.engine.begin() as connection:
        ids = list(connection.execute(text(some)).scalars())
        explain_task(connection, ids[0], policy=policy, decided=decided)  # reads the hashes
    lease: dict[str, Any] = {"reviewer": REVIEWER, "count": BATCH, "lease_seconds": 300}
    lease["commerce"] = commerce
    of_class = Filters(category="violate")
    acts: dict[str, Callable[[Connection], object]] = {
        "claim": lambda c: claim_tasks(c, **lease),
        "claim the oldest": lambda c: claim_tasks(c, **lease, order="oldest"),
        "claim a category": lambda c: claim_tasks(c, **lease, filters=of_class),
        "what the page shows of 12 tasks": lambda c: load_task_views(c, ids, **parts),
        "counts": lambda c: count_tasks(c, commerce=commerce),
        "counts of a category": lambda c: count_tasks(c, commerce=commerce, filters=of_class),
        "why": lambda c: explain_task(c, ids[1], policy=policy, decided=decided),
        "decide": lambda c: decide_task(
            c, ReviewerDecision(ids[2], "normal", REVIEWER), **parts, names=names
        ),
    }
    for name, act in acts.items():
        _explain_slowest(shop, name, act)


def _explain_slowest(shop: BenchShop, name: str, act: Callable[[Connection], object]) -> None:
    slowest = _SlowestStatement()
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
