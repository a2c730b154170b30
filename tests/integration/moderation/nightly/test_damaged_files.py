"""Hundreds of broken, hostile and unusual files in one shard: each is scored or quarantined."""

import resource
from pathlib import Path

import pytest

from devtools.sample_photos.broken import BROKEN_KINDS, render_broken
from ml.core.errors import QuarantineReason
from tests.support.nightly_run import run_nightly
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

MAX_GROWTH_KIB = 1_500_000  # a 100-megapixel photo decodes to 300 MB; a leak would be far more


def test_each_kind_of_damage_has_its_own_reason(shop: Shop) -> None:
    expected: dict[str, int] = {}
    for number, kind in enumerate(BROKEN_KINDS):
        broken = render_broken(1, number, kind)
        shop.upload(broken.name, broken.data)
        expected[broken.category] = expected.get(broken.category, 0) + 1
    shop.upload("fine.jpg", photo(seed=1))
    report = run_nightly(shop)
    assert report["quarantine_reasons"] == expected
    assert report["judged"] == 1


def test_damaged_files_neither_crash_the_shard_nor_exhaust_memory(
    shop: Shop, real_data: Path
) -> None:
    files = sorted(p for p in (real_data / "odd").iterdir() if p.is_file())
    assert files
    for number, path in enumerate(files):
        shop.upload(f"{number:04}{path.suffix}", path.read_bytes())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = run_nightly(shop)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert report["listed"] == len(files) == report["judged"] + report["quarantined"]
    assert report["judged"] > 0
    assert set(report["quarantine_reasons"]) <= {reason.value for reason in QuarantineReason}
    assert grown < MAX_GROWTH_KIB
