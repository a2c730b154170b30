"""Photos that reviewers decided on, and a champion that compares new photos with them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ml.models import registry
from ml.models.card import MemoryRule
from ml.moderation.pipeline.similar_decisions import MIN_PHOTOS
from tests.support.labelled_photos import archive_photo, label_photos
from tests.support.nightly_run import delete_results, start_run
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.policies import with_screens
from tests.support.servers import Shop
from tests.support.versions import add_altered_version

RULE = MemoryRule(
    min_violating_share=0.5, photos=1000, leaks_before=20, leaks_saved=15, new_leaks=1,
    added_review_share=0.01,
)  # fmt: skip
LAST_WEEK = datetime.now(UTC) - timedelta(days=7)
ENOUGH = MIN_PHOTOS + 5


def promote_altered(shop: Shop, champion_folder: Path, folder: Path, **card: object) -> str:
    """Make a copy of the test champion, with another card, the champion."""
    version = add_altered_version(shop, champion_folder, folder, **card)
    registry.promote(version, engine=shop.connections.engine, by="test", reason="test")
    return version


def with_rule(shop: Shop, champion_folder: Path, folder: Path) -> Shop:
    """The shop with both screens and a champion that has a rule; all photos are familiar."""
    policy = with_screens(folder / "policy", spot_check={}, similar_decisions={}, unfamiliar={})
    shop = replace(shop, settings=shop.settings.model_copy(update={"policy_file": policy}))
    promote_altered(
        shop, champion_folder, folder / "ruled",
        memory=RULE.model_dump(), min_similarity=-1.0,
    )  # fmt: skip
    return shop


def decide_bright_photos(
    shop: Shop, label: str = "violate", *, dark_label: str = "violate"
) -> list[str]:
    """Reviewers decided on bright photos, which the champion takes for normal; and on dark ones."""
    bright = [archive_photo(shop, photo(BRIGHT, seed=1000 + i)) for i in range(ENOUGH)]
    dark = [archive_photo(shop, photo(DARK, seed=2000 + i)) for i in range(ENOUGH)]
    label_photos(shop, bright, label, at=LAST_WEEK)
    label_photos(shop, dark, dark_label, at=LAST_WEEK)
    return bright


def with_remembered_photos(shop: Shop, champion_folder: Path, folder: Path) -> Shop:
    """`with_rule`, and the features of decided photos; no results of a nightly run."""
    ruled = with_rule(shop, champion_folder, folder)
    decide_bright_photos(ruled, dark_label="normal")
    start_run(ruled)  # computes the features
    delete_results(ruled)
    return ruled
