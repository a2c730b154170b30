"""Photos on outside hash lists go to review from the next nightly run on."""

import hashlib
import io
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from devtools.sample_photos.render import render_photo
from ml.learning.labels.import_hashes import import_hashes, remove_hashes
from ml.vision.images.fingerprint import content_hash, perceptual_hash
from tests.integration.moderation.nightly.screened import with_policy
from tests.support.constant_model import promote_constant_model
from tests.support.nightly_run import run_nightly
from tests.support.reuploads import apply_edit
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("kind", ["pdq", "md5", "sha256"])
def test_photo_on_an_outside_list_goes_to_review_until_the_list_is_removed(
    shop: Shop, champion_folder: Path, tmp_path: Path, kind: str
) -> None:
    screened = with_policy(shop, tmp_path, duplicates={})
    promote_constant_model(screened, champion_folder, tmp_path / "passes", violation=0.01)
    [photo, other_photo] = [render_photo(7, n, "normal").data for n in (40, 41)]
    hashes = {
        "pdq": perceptual_hash(Image.open(io.BytesIO(photo)).convert("RGB"))[0],
        "md5": hashlib.md5(photo, usedforsecurity=False).hexdigest(),
        "sha256": content_hash(photo),
    }
    file = tmp_path / "list.csv"
    file.write_text(f"{kind}\n{hashes[kind]}\n")
    engine = screened.connections.engine
    import_hashes(file, source="theirs", added_by="ann", engine=engine)
    other, key = screened.upload("other.jpg", other_photo), screened.upload("a.jpg", photo)
    run_nightly(screened, "next")
    assert screened.rows(
        "select reasons from moderation.review_task where object_key = :key", key=key
    ) == [(["blocklist:theirs"],)]
    assert Counter(map(screened.status, [other, key])) == {"pass": 1, "review": 1}
    assert remove_hashes(engine, "theirs", removed_by="ann") == 1
    again = screened.upload("b.jpg", apply_edit(photo, "half"))
    run_nightly(screened, "last")
    assert screened.status(again) == "pass"
