"""A nightly run whose decode workers die: costly photos, and workers killed at random."""

from dataclasses import replace
from typing import Any

import pytest

from ml.core.message_channel import Message
from ml.core.worker_process import WorkerProcess
from tests.support.decoding import costly_photo, decode_workers, killed_workers
from tests.support.nightly_run import delete_results, dump_results, run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def with_deadline(shop: Shop, cpu_seconds: float) -> Shop:
    settings = shop.settings.model_copy(update={"decode_seconds": cpu_seconds})
    return replace(shop, settings=settings)


def test_photo_over_the_deadline_is_quarantined_and_the_others_are_judged(shop: Shop) -> None:
    strict = with_deadline(shop, 0.1)
    costly = strict.upload("costly.png", costly_photo())
    others = [strict.upload(f"{n}.jpg", photo(BRIGHT, seed=n)) for n in range(12)]
    run_nightly(strict)
    [(key, reason, detail)] = strict.rows(
        "select object_key, reason, detail from moderation.quarantine"
    )
    assert (key, reason) == (costly, "too_costly")
    assert "SIGPROF" in str(detail)
    assert {strict.status(key) for key in others} == {"pass"}


@pytest.fixture
def proven(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The ids of workers that have done a photo.

    Only those are killed: else some of the photos would lose their last try, too, by bad luck.
    """
    pids: set[int] = set()
    run = WorkerProcess.run

    def note(worker: WorkerProcess, *args: Any, **kwargs: Any) -> Message:  # noqa: ANN401 - handed through
        result = run(worker, *args, **kwargs)
        pids.add(worker.pid)
        return result

    monkeypatch.setattr(WorkerProcess, "run", note)
    return pids


@pytest.mark.parametrize(
    ("photos", "kills"), [(100, 3), pytest.param(400, 100, marks=pytest.mark.slow)]
)
@pytest.mark.timeout(1800)
def test_workers_killed_at_random_change_no_result(
    shop: Shop, proven: set[int], photos: int, kills: int
) -> None:
    own = with_deadline(shop, 17.5)
    for n in range(photos):
        own.upload(f"{n:04}.jpg", photo((BRIGHT, DARK)[n % 2], seed=n, size=(900, 700)))
    run_nightly(own)
    undisturbed = dump_results(own)
    delete_results(own)
    with killed_workers(17.5, among=proven, every=0.02, most=kills) as killed:
        run_nightly(own)
    assert dump_results(own) == undisturbed
    assert len(killed) == kills
    assert len(decode_workers(17.5)) <= own.settings.decode_workers
