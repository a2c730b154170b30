import io

import pytest
from PIL import Image, UnidentifiedImageError

from devtools.sample_photos.broken import BROKEN_KINDS, render_broken
from ml.core.errors import ImageRejected, QuarantineReason, SettingsError
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits

Reason = QuarantineReason


def file_of(kind: QuarantineReason) -> io.BytesIO:
    return io.BytesIO(render_broken(1, 4, kind).data)


@pytest.mark.parametrize("kind", BROKEN_KINDS)
def test_render_broken_is_deterministic_and_has_its_reason(kind: QuarantineReason) -> None:
    photo = render_broken(1, 4, kind)
    assert photo == render_broken(1, 4, kind)
    assert photo.broken
    assert photo.category == kind.value
    assert photo.name.startswith("photo_000004.")


def test_empty_file_has_no_bytes() -> None:
    assert file_of(Reason.EMPTY).getvalue() == b""


def test_not_an_image_file_is_text_named_jpg() -> None:
    photo = render_broken(1, 4, Reason.NOT_AN_IMAGE)
    assert photo.name.endswith(".jpg")
    assert photo.data.decode().isprintable() is False  # it has line ends
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(photo.data))


def test_truncated_jpeg_opens_but_does_not_load() -> None:
    with Image.open(file_of(Reason.TRUNCATED)) as picture:
        assert picture.format == "JPEG"
        with pytest.raises(OSError, match="truncated"):
            picture.load()


def test_corrupt_png_has_valid_checksums_and_invalid_pixels() -> None:
    with Image.open(file_of(Reason.CORRUPT)) as picture:
        picture.verify()
    with Image.open(file_of(Reason.CORRUPT)) as picture, pytest.raises(OSError, match="data"):
        picture.load()


def test_animated_png_announces_its_frames_twice() -> None:
    data = file_of(Reason.ANIMATED).getvalue()
    assert (data.count(b"acTL"), data.count(b"fcTL")) == (2, 4)
    with pytest.raises(ImageRejected, match="animated"):
        decode(data, limits=DecodeLimits())


def test_decompression_bomb_has_few_bytes_and_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    data = file_of(Reason.TOO_MANY_PIXELS)
    assert len(data.getvalue()) < 50_000
    with Image.open(data) as picture:
        assert picture.width * picture.height > 100_000_000
        picture.verify()


def test_too_small_picture_is_eight_pixels_square() -> None:
    with Image.open(file_of(Reason.TOO_SMALL)) as picture:
        picture.load()
        assert picture.size == (8, 8)


def test_unsupported_format_is_a_valid_tiff() -> None:
    with Image.open(file_of(Reason.UNSUPPORTED_FORMAT)) as picture:
        picture.load()
        assert picture.format == "TIFF"


def test_reason_without_a_renderer_is_rejected() -> None:
    with pytest.raises(SettingsError, match="too_small"):
        render_broken(1, 4, Reason.OBJECT_ABSENT)
