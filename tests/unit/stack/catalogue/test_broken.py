import io

import pytest
from PIL import Image, UnidentifiedImageError

from ml.errors import QuarantineReason, SettingsError
from stack.catalogue.broken import BROKEN_KINDS, render_broken

Reason = QuarantineReason


def file_of(kind: QuarantineReason) -> io.BytesIO:
    return io.BytesIO(render_broken(1, 4, kind).data)


@pytest.mark.parametrize("kind", BROKEN_KINDS)
def test_broken_file_names_its_reason_and_is_the_same_each_time(kind: QuarantineReason) -> None:
    photo = render_broken(1, 4, kind)
    assert photo == render_broken(1, 4, kind)
    assert photo.broken
    assert photo.category == kind.value
    assert photo.name.startswith("photo_000004.")


def test_empty_file_has_no_bytes() -> None:
    assert file_of(Reason.EMPTY).getvalue() == b""


def test_text_file_pretends_to_be_a_jpeg() -> None:
    photo = render_broken(1, 4, Reason.NOT_AN_IMAGE)
    assert photo.name.endswith(".jpg")
    assert photo.data.decode().isprintable() is False  # it has line ends
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(photo.data))


def test_truncated_jpeg_opens_yet_does_not_load() -> None:
    with Image.open(file_of(Reason.TRUNCATED)) as picture:
        assert picture.format == "JPEG"
        with pytest.raises(OSError, match="truncated"):
            picture.load()


def test_corrupt_png_fails_in_its_pixels_and_not_in_its_checksums() -> None:
    with Image.open(file_of(Reason.CORRUPT)) as picture:
        picture.verify()
    with Image.open(file_of(Reason.CORRUPT)) as picture, pytest.raises(OSError, match="data"):
        picture.load()


def test_animated_gif_has_frames_that_differ() -> None:
    with Image.open(file_of(Reason.ANIMATED)) as picture:
        assert (picture.format, getattr(picture, "n_frames", 1)) == ("GIF", 4)
        first = picture.convert("RGB").tobytes()
        picture.seek(2)
        assert picture.convert("RGB").tobytes() != first


def test_pixel_bomb_is_small_in_bytes_and_huge_in_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    data = file_of(Reason.TOO_MANY_PIXELS)
    assert len(data.getvalue()) < 50_000
    with Image.open(data) as picture:
        assert picture.width * picture.height > 100_000_000
        picture.verify()


def test_tiny_picture_is_eight_pixels_square() -> None:
    with Image.open(file_of(Reason.TOO_SMALL)) as picture:
        picture.load()
        assert picture.size == (8, 8)


def test_foreign_format_is_a_sound_picture_that_shops_do_not_take() -> None:
    with Image.open(file_of(Reason.UNSUPPORTED_FORMAT)) as picture:
        picture.load()
        assert picture.format == "TIFF"


def test_reason_that_no_file_can_show_is_refused() -> None:
    with pytest.raises(SettingsError, match="too_small"):
        render_broken(1, 4, Reason.OBJECT_ABSENT)
