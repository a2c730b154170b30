"""The first step refuses a champion that cannot judge."""

from pathlib import Path

import pytest

from ml.core.errors import ModelError
from ml.models import registry
from ml.moderation.nightly.preflight import preflight
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
