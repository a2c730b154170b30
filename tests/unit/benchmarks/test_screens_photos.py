from pathlib import Path

from benchmarks.screens_photos import (
    LabelledPhoto,
    limit_per_category,
    load_real_photos,
    shop_mixture,
)


def _photos(**counts: int) -> list[LabelledPhoto]:
    return [
        LabelledPhoto(f"{kind}{n}", kind) for kind, count in counts.items() for n in range(count)
    ]


def test_load_real_photos_lists_photos_and_quality_once(tmp_path: Path) -> None:
    rows = [f"photos/normal/{n}.jpg,normal" for n in range(5)]
    rows += ["quality/a.jpg,blur", "odd/b.jpg,odd"]
    (tmp_path / "manifest.csv").write_text("\n".join(["path,category", *rows]))
    photos = load_real_photos(tmp_path)
    assert sorted(p.key for p in photos) == sorted(r.split(",")[0] for r in rows[:-1])
    assert {p.category for p in photos} == {"normal", "blur"}


def test_labelled_photo_reads_its_file_or_data(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"12345")
    photo = LabelledPhoto("a", "normal", tmp_path / "a.jpg")
    assert (photo.size, photo.read()) == (5, b"12345")
    assert LabelledPhoto("b", "normal", data=b"12").read() == b"12"


def test_limit_per_category_applies_to_its_category_only() -> None:
    kept = limit_per_category(_photos(normal=4, ad=3, qr=2), {"normal": 2, "ad": 0})
    assert [p.key for p in kept] == ["normal0", "normal1", "qr0", "qr1"]


def test_shop_mixture_has_its_share_and_no_quality_set() -> None:
    mixture = shop_mixture(_photos(normal=80, ad=50, blur=9), 0.2)
    assert len(mixture) == 100
    assert sum(p.category == "ad" for p in mixture) == 20


def test_shop_mixture_spreads_violations_evenly() -> None:
    mixture = shop_mixture(_photos(normal=80, ad=20), 0.2)
    assert all(sum(p.category == "ad" for p in mixture[n : n + 25]) == 5 for n in range(0, 100, 25))
