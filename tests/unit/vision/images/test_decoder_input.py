"""Files whose metadata cost nothing pass unchanged to the decoder."""

import pytest

from ml.vision.images.decoder_input import decoder_input
from tests.unit.vision.images.pictures import encoded, photo


@pytest.mark.parametrize("file_format", ["BMP", "WEBP", "AVIF"])
def test_other_files_pass_unchanged(file_format: str) -> None:
    data = encoded(photo(), file_format)
    assert decoder_input(data, max_pixels=1) == data
