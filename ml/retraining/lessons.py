"""Which photos of a snapshot are learnt from, and how much each of them counts."""

from collections.abc import Mapping
from dataclasses import dataclass

from ml.policy.retraining import Doubts
from ml.retraining.manifest import LabelledPhoto, Manifest, Part
from ml.storage.label_doubts import Doubt


@dataclass(frozen=True)
class Lesson:
    """A photo that is used, and how often training draws it against the others."""

    photo: LabelledPhoto
    weight: float


def lessons(
    manifest: Manifest, doubts: Mapping[str, Doubt], treatment: Doubts
) -> tuple[Lesson, ...]:
    """What of a snapshot is used: all but golden photos, and doubted labels as the policy says.

    A photo is drawn as often as its weight says, so that the network meets the shop's photos in
    their own proportions, not in those in which people were asked. `down_weight` touches training
    only; `leave_out` training and validation.
    """
    found = []
    for photo in manifest.photos:
        doubt = doubts.get(photo.content_sha256)
        doubted = doubt is not None and doubt.label == photo.label
        # Never out of the calibration part: a leak that looks like a slip may be a leak, and the
        # bound that cut-offs are solved for would be too good to be true.
        doubted = doubted and photo.part is not Part.CALIBRATION
        if photo.part is Part.GOLDEN or (doubted and treatment.action == "leave_out"):
            continue
        lighter = doubted and treatment.action == "down_weight"
        found.append(Lesson(photo, photo.weight * (treatment.weight if lighter else 1.0)))
    return tuple(found)
