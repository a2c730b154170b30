"""A campaign: runs that are killed, whose connections are cut, and whose bucket is faulty."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random

from sqlalchemy import make_url

from tests.chaos.end_state import differences, load_state
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.faulty_bucket import faulty_bucket
from tests.chaos.faulty_run import STEP_ATTEMPTS, Hits, draw_keys, find_problems
from tests.chaos.tcp_proxy import Cutter, cutting_proxy
from tests.chaos.trial import KILLS_PER_STEP, GaveUp, Trial, random_kills
from tests.chaos.world import Stage, World, environment_of
from tests.support.servers import Shop

CUTS_PER_RUN = 8
MAX_ATTEMPTS = KILLS_PER_STEP + CUTS_PER_RUN + 1  # of a step that is disturbed


@dataclass(frozen=True)
class Plan:
    """How much to do; `only` names workloads or faults, all of them where it is empty."""

    kills: int
    cuts: int
    faulty_runs: int
    seed: int
    only: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Run:
    """A run of the campaign; `seed` repeats it."""

    kind: str
    name: str
    seed: int
    events: int
    failed_attempts: int
    problems: list[str] = field(default_factory=list)


# Called after each run.
Report = Callable[[Run], None]


def run_campaign(world: World, plan: Plan, report: Report) -> list[Run]:
    """Run everything and return the runs."""
    runs: list[Run] = []
    for run in itertools.chain(
        _until("kills", plan.kills, _workloads(world, plan), partial(kill, world), plan.seed),
        _until("cuts", plan.cuts, _workloads(world, plan), partial(cut, world), plan.seed),
        _faulty_runs(world, plan),
    ):
        runs.append(run)
        report(run)
    return runs


def kill(world: World, stage: Stage, seed: int) -> Run:
    """Run a workload whose processes are killed."""
    draw = random_kills(Random(seed), stage.profile)
    with world.opened(stage) as shop:
        trial = Trial(environment_of(shop.settings), world.log, draw, MAX_ATTEMPTS)
        problems = _run(world, stage, trial, shop, allowed=frozenset())
    return Run("kills", stage.workload.name, seed, trial.kills, len(trial.failures), problems)


def cut(world: World, stage: Stage, seed: int) -> Run:
    """Run a workload whose connections to PostgreSQL and to the bucket are cut."""
    cutter = Cutter(Random(seed), CUTS_PER_RUN)
    with world.opened(stage) as shop, _cutting(shop, cutter) as environment:
        trial = Trial(environment, world.log, max_attempts=MAX_ATTEMPTS)
        problems = _run(world, stage, trial, shop, allowed=stage.workload.cut_errors)
    return Run("cuts", stage.workload.name, seed, cutter.made, len(trial.failures), problems)


def run_behind_fault(world: World, stage: Stage, fault: Fault, seed: int) -> Run:
    """Run the nightly run behind a faulty bucket."""
    hits = Hits(fault, seed, draw_keys(fault, Random(seed), stage.end))
    with (
        world.opened(stage) as shop,
        faulty_bucket(shop.settings.s3_endpoint_url or "", hits.answer) as url,
    ):
        environment = environment_of(shop.settings) | {"MODERATION_S3_ENDPOINT_URL": url}
        trial = Trial(
            environment, world.log, max_attempts=STEP_ATTEMPTS, before_attempt=hits.before_attempt
        )
        problems = _problems_of_ending(world, stage, trial)
        problems = problems or find_problems(hits, trial.failures, stage.end, shop)
    return Run("faulty runs", fault.name, seed, 1, len(trial.failures), problems)


def _run(
    world: World, stage: Stage, trial: Trial, shop: Shop, *, allowed: frozenset[str]
) -> list[str]:
    """Run a disturbed workload to its end, and compare that with the unbroken one's."""
    if problems := _problems_of_ending(world, stage, trial):
        return problems
    raised = [
        f"{failed.step} raised {failed.failed}: {failed.done.message}"
        for failed in trial.failures
        if failed.done and not failed.raised(allowed)
    ]
    return raised + [str(found) for found in differences(stage.end, load_state(shop))]


def _problems_of_ending(world: World, stage: Stage, trial: Trial) -> list[str]:
    try:
        stage.workload.run(trial.run, world.inputs)
    except GaveUp as error:
        return [str(error)]
    return []


@contextmanager
def _cutting(shop: Shop, cutter: Cutter) -> Iterator[dict[str, str]]:
    """Yield the environment of a shop whose servers are behind a proxy that cuts."""
    environment = environment_of(shop.settings)
    database = make_url(environment["MODERATION_DATABASE_URL"])
    bucket = make_url(environment["MODERATION_S3_ENDPOINT_URL"])
    with (
        cutting_proxy(database.host or "", database.port or 0, cutter) as database_port,
        cutting_proxy(bucket.host or "", bucket.port or 0, cutter) as bucket_port,
    ):
        through = database.set(host="127.0.0.1", port=database_port)
        yield environment | {
            "MODERATION_DATABASE_URL": through.render_as_string(hide_password=False),
            "MODERATION_S3_ENDPOINT_URL": f"http://127.0.0.1:{bucket_port}",
        }


def _until(
    kind: str, events: int, stages: Iterator[Stage], disturb: Callable[[Stage, int], Run], seed: int
) -> Iterator[Run]:
    """Repeat disturbed runs until there were so many events."""
    made = 0
    for number, stage in enumerate(stages):
        if made >= events:
            return
        run = disturb(stage, Random(f"{seed} {kind} {number}").randrange(2**32))
        made += run.events
        yield run


def _workloads(world: World, plan: Plan) -> Iterator[Stage]:
    """Yield the stages for ever, each as often as its weight says."""
    chosen = [s for name, s in world.stages.items() if not plan.only or name in plan.only]
    rounds = max((stage.workload.weight for stage in chosen), default=0)
    for number in itertools.count() if rounds else ():
        yield from (s for s in chosen if number % rounds < s.workload.weight)


def _faulty_runs(world: World, plan: Plan) -> Iterator[Run]:
    stage = world.stages["nightly_run"]
    chosen = [fault for fault in FAULTS if not plan.only or fault.name in plan.only]
    Random(plan.seed).shuffle(chosen)
    for number, fault in zip(range(plan.faulty_runs), itertools.cycle(chosen), strict=False):
        seed = Random(f"{plan.seed} {fault.name} {number}").randrange(2**32)
        yield run_behind_fault(world, stage, fault, seed)
