"""The first step refuses a champion that cannot judge."""

from pathlib import Path

import pytest

from ml.core.errors import ModelError, StorageForbidden
from ml.models import registry
from ml.moderation.nightly.preflight import preflight
from tests.support.bucket_policy import allowed_under
from tests.support.proxied_shop import connections_through_proxy
from tests.support.servers import Shop
from tests.support.versions import add_altered_version

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("kind", ["nan", "saturated", "missing"])
def test_champion_without_usable_scores_stops_the_run(
    shop: Shop, champion_folder: Path, tmp_path: Path, kind: str
) -> None:
    version = add_altered_version(shop, champion_folder, tmp_path, spoil=kind)
    registry.promote(version, engine=shop.connections.engine, by="test", reason="test")
    parts = {"settings": shop.settings, "connections": shop.connections}
    with pytest.raises(ModelError, match=r"not finite|same scores|do not fit"):
        preflight("night", shop.window, **parts)  # type: ignore[arg-type]  # handed through
    assert shop.rows("select run_id from moderation.audit_run") == []


def test_rights_to_photos_that_end_at_the_prefix_are_enough(shop: Shop) -> None:
    rights = allowed_under("reviews/")
    dated = shop.settings.model_copy(update={"photo_prefix": "reviews/%Y/%m/%d/"})
    with connections_through_proxy(shop, rights) as connections:
        run = preflight("night", shop.window, settings=dated, connections=connections)
    assert run.run_id == "night"
    with (
        connections_through_proxy(shop, allowed_under("other/")) as connections,
        pytest.raises(StorageForbidden),
    ):
        preflight("night", shop.window, settings=dated, connections=connections)
