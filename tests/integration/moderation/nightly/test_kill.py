"""Invariant 2 for the longest step: a killed and retried shard equals an uninterrupted one."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from ml.core.types import Shard
from ml.moderation.nightly.score_shard import score_shard
from tests.support.nightly_run import (
    delete_results,
    dump_results,
    finish_run,
    start_run,
    step_environment,
)
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

PHOTOS = 400
ROOT = Path(__file__).resolve().parents[4]


def _judge_in_a_process(shop: Shop, shard: Shard) -> subprocess.Popen[bytes]:
    code = f"from ml.moderation.nightly import steps; steps.score_shard({asdict(shard)!r})"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=step_environment(shop),
        stdout=subprocess.DEVNULL,
    )


def _settled(shop: Shop) -> int:
    query = "select count(*) from moderation.audit_image where outcome is not null"
    return int(str(shop.rows(query)[0][0]))


def _kill_in_the_middle(shop: Shop, shard: Shard) -> int:
    process = _judge_in_a_process(shop, shard)
    deadline = time.monotonic() + 120
    while _settled(shop) == 0 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return _settled(shop)


def test_killed_shard_is_completed_by_a_retry(shop: Shop) -> None:
    for i in range(PHOTOS):
        data = photo(BRIGHT if i % 4 else DARK, seed=i) if i % 50 else b"broken"
        shop.upload(f"{i:04}.jpg", data)
    shards = start_run(shop)
    assert len(shards) == 1
    settled = _kill_in_the_middle(shop, shards[0])
    assert 0 < settled < PHOTOS
    counts = score_shard(shards[0], settings=shop.settings, connections=shop.connections)
    assert counts["judged"] + counts["quarantined"] == PHOTOS - settled
    report = finish_run(shop)
    assert (report["judged"], report["quarantined"]) == (392, 8)
    broken = dump_results(shop)

    # The uninterrupted run of the same window, from an empty database.
    delete_results(shop)
    for shard in start_run(shop):
        score_shard(shard, settings=shop.settings, connections=shop.connections)
    finish_run(shop)
    assert dump_results(shop) == broken
