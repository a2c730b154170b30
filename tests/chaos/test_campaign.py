"""A tenth of `make chaos`: 30 kills, 15 cut connections and 6 runs behind a faulty bucket."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from devtools.embedded.services import Services
from tests.chaos.campaign import Plan, Run, run_campaign
from tests.chaos.workloads import WORKLOADS
from tests.chaos.world import World

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1200)]

SEED = 20261129
PHOTOS = 100


@pytest.fixture(scope="module")
def world(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("chaos")
        yield World(services, folder, stack, photos=PHOTOS, workloads=WORKLOADS)


def _run(world: World, kills: int = 0, cuts: int = 0, faulty_runs: int = 0) -> list[Run]:
    runs = run_campaign(world, Plan(kills, cuts, faulty_runs, SEED), lambda _: None)
    assert [(r.kind, r.name, r.seed, r.problems) for r in runs if r.problems] == []
    return runs


def test_killed_processes_end_as_unbroken_ones(world: World) -> None:
    assert sum(run.events for run in _run(world, kills=30)) >= 30


def test_cut_connections_end_as_unbroken_ones(world: World) -> None:
    assert sum(run.events for run in _run(world, cuts=15)) >= 15


def test_a_faulty_bucket_loses_nothing_and_is_reported(world: World) -> None:
    assert len(_run(world, faulty_runs=6)) == 6


def test_the_workloads_have_every_kind_of_row(world: World) -> None:
    """What no workload writes, no kill could break."""
    written = {name for stage in world.stages.values() for name, rows in stage.end.items() if rows}
    assert written >= {
        "activity", "appeal", "archived_photo", "audit_image", "audit_run", "audit_shard",
        "commerce", "golden_photo", "golden_set", "human_label", "image",
        "label_issue", "label_snapshot", "leak_estimate", "model_version", "promotion", "purge",
        "quarantine", "retrain_run", "review_task", "shadow_verdict", "training_epoch", "verdict",
    }  # fmt: skip


def test_the_retraining_run_is_promoted_and_rolled_back(world: World) -> None:
    """A candidate that the gates hold would leave half of the steps out."""
    steps = [attempt.step for attempt in world.stages["retraining"].profile]
    assert "promote" in steps
    kinds = [json.loads(row)["kind"] for row in world.stages["rollback"].end["promotion"]]
    assert sorted(kinds) == ["promote", "promote", "rollback"]
