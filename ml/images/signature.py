"""Which image format the first bytes claim, without running that format's parser."""

# (offset, magic, name); names as Pillow spells them where it knows the format.
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (8, b"WEBP", "WEBP"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (4, b"ftypheic", "HEIC"),  # what an iPhone stores
    (4, b"ftypheix", "HEIC"),
    (4, b"ftyphevc", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypmsf1", "HEIF"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"II+\x00", "TIFF"),  # BigTIFF
    (0, b"MM\x00+", "TIFF"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG2000"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "PSD"),
    (0, b"\x00\x00\x01\x00", "ICO"),
    (0, b"\x00\x00\x02\x00", "CUR"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    (0, b"icns", "ICNS"),
    (0, b"\x01\xda", "SGI"),
    (0, b"%!PS", "EPS"),
    (0, b"<svg", "SVG"),
    *((0, b"P%d\n" % kind, "PPM") for kind in range(1, 7)),
    (0, b"BM", "BMP"),  # last: two letters are the weakest claim
)


def claimed_format(data: bytes) -> str | None:
    """Name the image format that the first bytes claim, or None.

    Only signatures are compared. Pillow could tell more formats apart by opening the file with
    all of its parsers, but each parser of a format that is never decoded is attack surface, and
    the choice between "unsupported" and "not an image" is not worth that. Formats without a
    signature (TGA) or unknown here are therefore "not an image".

    Args:
        data: the whole object or its beginning; at most 16 bytes are read.

    Returns:
        The format's name, such as "TIFF" or "HEIC"; None where no signature fits.
    """
    for offset, magic, name in _SIGNATURES:
        if data.startswith(magic, offset):
            return name
    return None
