import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from ml.images.quiet import silence_pillow
from tests.unit.images.pictures import encoded, photo


def png_that_pillow_warns_of() -> bytes:
    """A still PNG whose animation header announces no frames."""
    data = encoded(photo(), "PNG")
    body = b"acTL" + struct.pack(">II", 0, 0)
    chunk = struct.pack(">I", 8) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]  # behind IHDR


def test_pillow_does_warn_without_it() -> None:
    with pytest.warns(UserWarning, match="APNG"):
        Image.open(io.BytesIO(png_that_pillow_warns_of()))


def test_silences_pillow_where_warnings_are_errors() -> None:
    silence_pillow()
    assert Image.open(io.BytesIO(png_that_pillow_warns_of())).size == (160, 120)


def test_leaves_other_warnings_alone() -> None:
    silence_pillow()
    with pytest.raises(UserWarning, match="ours"):
        warnings.warn("ours", UserWarning, stacklevel=1)


def test_comes_back_after_somebody_else_restored_the_filters() -> None:
    with warnings.catch_warnings():
        silence_pillow()
        warnings.simplefilter("error")
        silence_pillow()
        assert Image.open(io.BytesIO(png_that_pillow_warns_of())).size == (160, 120)


def test_threads_add_one_filter_between_them() -> None:
    before = len(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: silence_pillow(), range(200)))
    assert len(warnings.filters) == before + 1
