"""Photos by content hash: the right bytes or none."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from ml.vision.images.fingerprint import content_hash
from tests.support.champion import SPEC
from tests.support.labelled_photos import archive_photo
from tests.support.pages import Pages
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.review_tasks import stored_photo
from tests.support.versions import add_altered_version

# The model bucket is shared: no other test keeps photos of these seeds.
UNKEPT = 777_000
pytestmark = [pytest.mark.integration, pytest.mark.airflow]


@pytest.fixture
def viewer(pages: Pages) -> Iterator[httpx.Client]:
    with pages.client("viewer") as client:
        yield client


def _picture(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "image/jpeg"
    return Image.open(io.BytesIO(answer.content))


def _refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def _with_exif() -> bytes:
    """700 x 500 as stored, to be turned by a quarter; made by a known camera."""
    image = Image.open(io.BytesIO(photo(DARK, size=(700, 500))))
    exif = image.getexif()
    exif[0x0112], exif[0x010F] = 6, "a maker"
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif.tobytes())
    return out.getvalue()


def test_photo_is_upright_resized_and_without_metadata(pages: Pages, viewer: httpx.Client) -> None:
    data = _with_exif()
    stored_photo(pages.shop, "a.jpg", data)
    answer = viewer.get(f"/photos/{content_hash(data)}?side=320")
    assert answer.headers["Cache-Control"] == "private, max-age=86400, immutable"
    assert b"a maker" in data
    assert b"a maker" not in answer.content
    with _picture(answer) as image:
        assert image.size == (229, 320)
    again = viewer.get(
        f"/photos/{content_hash(data)}?side=320", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("side", [0, 321, "x", -1])
def test_photo_of_another_size_is_rejected(viewer: httpx.Client, side: object) -> None:
    answer = viewer.get(f"/photos/{'0' * 64}?side={side}")
    assert _refused(answer) == (422, "invalid")


@pytest.mark.parametrize("name", ["x", "A" * 64, "..%2F..%2Fetc%2Fpasswd", "%00"])
def test_photo_name_that_is_no_hash_is_rejected(viewer: httpx.Client, name: str) -> None:
    assert viewer.get(f"/photos/{name}?side=320").status_code in (404, 422)


def test_replaced_photo_is_absent_and_the_new_one_is_not_served(
    pages: Pages, viewer: httpx.Client
) -> None:
    data = photo(DARK, seed=UNKEPT + 1)
    stored_photo(pages.shop, "a.jpg", data)
    pages.shop.upload("a.jpg", photo(BRIGHT, seed=UNKEPT + 2), row=False)
    assert _refused(viewer.get(f"/photos/{content_hash(data)}?side=640")) == (404, "absent")


def test_other_bytes_under_the_same_etag_are_not_served(pages: Pages, viewer: httpx.Client) -> None:
    stored_photo(pages.shop, "a.jpg", photo(DARK, seed=UNKEPT + 3))
    pages.shop.execute("update moderation.image set content_sha256 = :c", c="a" * 64)
    assert _refused(viewer.get(f"/photos/{'a' * 64}?side=640")) == (404, "absent")


def test_deleted_photo_is_absent_unless_archived(pages: Pages, viewer: httpx.Client) -> None:
    data = photo(DARK, seed=UNKEPT + 4)
    key = stored_photo(pages.shop, "a.jpg", data)
    pages.shop.connections.photos.delete(key)
    address = f"/photos/{content_hash(data)}?side=640"
    assert _refused(viewer.get(address)) == (404, "absent")
    archive_photo(pages.shop, data)
    with _picture(viewer.get(address)) as image:
        assert image.size == (64, 48)


def test_latest_existing_object_is_served(pages: Pages, viewer: httpx.Client) -> None:
    data = photo(DARK, seed=UNKEPT + 5)
    for name in ("a.jpg", "b.jpg"):
        gone = stored_photo(pages.shop, name, data)
    pages.shop.connections.photos.delete(gone)
    assert viewer.get(f"/photos/{content_hash(data)}?side=640").status_code == 200


def test_unknown_photo_is_absent(viewer: httpx.Client) -> None:
    assert _refused(viewer.get(f"/photos/{'f' * 64}?side=320")) == (404, "absent")


def test_photo_of_more_pixels_than_the_pages_decode_is_refused(
    pages: Pages, viewer: httpx.Client
) -> None:
    out = io.BytesIO()
    Image.new("1", (7000, 6000)).save(out, "PNG")  # 42 million; the setting is 40
    stored_photo(pages.shop, "a.png", out.getvalue())
    answer = viewer.get(f"/photos/{content_hash(out.getvalue())}?side=320")
    assert _refused(answer) == (422, "too_large")


def test_bytes_that_are_no_photo_are_rejected(pages: Pages, viewer: httpx.Client) -> None:
    data = photo(DARK, seed=UNKEPT + 6)[:300]
    stored_photo(pages.shop, "a.jpg", data)
    assert _refused(viewer.get(f"/photos/{content_hash(data)}?side=320")) == (422, "refused")


def _map_of(pages: Pages, content: str, **changed: str) -> str:
    asked = {"model": pages.shop.model_hash, "label": "violate", "side": "640"} | changed
    return f"/photos/{content}/activation?{httpx.QueryParams(asked)}"


def test_activation_map_overlays_the_photo(
    pages: Pages, viewer: httpx.Client, champion_folder: Path, tmp_path: Path
) -> None:
    # The test champion sees 32 pixels, which leave a map of one place.
    spec = SPEC.model_copy(update={"resize": 256, "crop": 224})
    model = add_altered_version(
        pages.shop, champion_folder, tmp_path, preprocessing=spec.model_dump()
    )
    data = photo(DARK, seed=UNKEPT + 7, size=(800, 600))
    stored_photo(pages.shop, "a.jpg", data)
    content = content_hash(data)
    with (
        _picture(viewer.get(f"/photos/{content}?side=640")) as plain,
        _picture(viewer.get(_map_of(pages, content, model=model))) as mapped,
        _picture(viewer.get(_map_of(pages, content, model=model, label="normal"))) as other,
    ):
        assert plain.size == mapped.size == (640, 480)
        pixels = [np.asarray(p, dtype=np.int16) for p in (plain, mapped, other)]
    reddened = (pixels[1] - pixels[0])[..., 0]
    assert reddened.max() > 60  # red is added where the evidence lies
    assert np.abs(reddened[:, :40]).max() < 30  # not where the model does not look
    assert np.abs(pixels[1] - pixels[2]).max() > 60  # and elsewhere for the other class


def test_activation_map_of_an_unknown_model_is_rejected(pages: Pages, viewer: httpx.Client) -> None:
    data = photo(DARK, seed=UNKEPT + 8)
    stored_photo(pages.shop, "a.jpg", data)
    content = content_hash(data)
    for changed, wanted in (
        ({"model": "e" * 64}, (404, "absent")),
        ({"label": "spam"}, (422, "refused")),
        ({"side": "320"}, (422, "invalid")),
        ({"model": "../x"}, (422, "invalid")),
    ):
        assert _refused(viewer.get(_map_of(pages, content, **changed))) == wanted
    assert _refused(viewer.get(_map_of(pages, "d" * 64))) == (404, "absent")
