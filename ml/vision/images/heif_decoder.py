"""Pillow's access to HEIF files: the primary picture of a file alone, decoded by libheif.

pi-heif has a Pillow plugin, too. That one offers the other pictures of a file as frames, and reads
metadata and thumbnails.
"""

from typing import Any

import pi_heif
from PIL import Image, ImageFile

HEIF = "HEIF"  # the name of the format, of HEIC, too

# Of libheif, for tiles; libde265 has one of its own. Metadata and other pictures stay unread.
pi_heif.options.DECODE_THREADS = 1
pi_heif.options.THUMBNAILS = False
pi_heif.options.DEPTH_IMAGES = False
pi_heif.options.AUX_IMAGES = False

_STRAIGHT = {"RGBa": "RGBA", "La": "LA"}  # alpha channels by which the colors were multiplied


class HeifImageFile(ImageFile.ImageFile):
    """A HEIF file that `check_heif_sizes` has accepted, turned and cropped as it says itself.

    10 and 12 bits become 8. EXIF is left out: viewers follow the container's orientation.
    """

    format = HEIF
    format_description = "HEIF, the primary picture"

    def _open(self) -> None:
        file = pi_heif.open_heif(self.fp, convert_hdr_to_8bit=True)
        self._picture = file[file.primary_index]
        self._size = self._picture.size
        self._mode = _STRAIGHT.get(self._picture.mode, self._picture.mode)
        if profile := self._picture.info.get("icc_profile"):
            self.info["icc_profile"] = profile

    def load(self) -> Any:  # noqa: ANN401 - what Pillow returns has no public name
        """Decode; raises OSError, ValueError or RuntimeError for a broken picture."""
        if self._picture is not None:
            data, mode = self._picture.data, self._picture.mode
            self._size = self._picture.size
            image = Image.frombytes(mode, self._size, data, "raw", mode, self._picture.stride)
            self.im = (image.convert(self._mode) if mode != self._mode else image).im
            self._picture = None
        return super().load()


def register_heif() -> None:
    """Make Pillow open HEIF files, where it is asked to (`formats`), with the class above."""
    Image.register_open(HEIF, HeifImageFile, lambda head: head[4:8] == b"ftyp")
