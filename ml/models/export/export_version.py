"""Write a model version into a folder: weights, card, README, and on request ONNX."""

from dataclasses import dataclass
from pathlib import Path

from ml.core.errors import ModelError, ObjectNotFound
from ml.core.files import write_file
from ml.models import registry
from ml.models.card import ModelCard, read_card
from ml.models.checkpoint import CARD, WEIGHTS, Checkpoint
from ml.models.export.readme import UNSTATED_LICENSE, write_readme
from ml.models.load_check import PROBE, load_checked_predictor, read_probe
from ml.storage.object_store import ObjectStore

README, ONNX = "README.md", "model.onnx"


@dataclass(frozen=True)
class ExportedVersion:
    """What was written: names of files, and how far the ONNX file's logits are from the probe's."""

    model_hash: str
    files: tuple[str, ...]
    largest_difference: float | None = None


def export_version(
    model_hash: str,
    folder: Path,
    *,
    store: ObjectStore,
    cache: Path,
    onnx: bool = False,
    license_id: str = UNSTATED_LICENSE,
) -> ExportedVersion:
    """Check a version as a promotion does, and write its files; repeated, it writes the same.

    Raises:
        ModelError: the version gives no usable scores, its ONNX file others than its probe, or the
            folder holds another version. Nothing is written then.
        StorageError: the bucket cannot be read, or the folder not be written.
    """
    _check_folder(folder, model_hash)
    checkpoint = registry.fetch(model_hash, store=store, cache=cache)
    load_checked_predictor(checkpoint)
    files = {name: (cache / model_hash / name).read_bytes() for name in (WEIGHTS, CARD)}
    difference = None
    if onnx:
        files[ONNX], difference = _export_onnx(checkpoint, cache / model_hash, store)
    page = write_readme(checkpoint.card, license_id=license_id, with_onnx=onnx)
    files[README] = page.encode()
    for name, data in files.items():
        write_file(folder / name, data)
    if not onnx:
        (folder / ONNX).unlink(missing_ok=True)  # of an earlier export, unknown to the page
    return ExportedVersion(model_hash, tuple(sorted(files)), difference)


def _check_folder(folder: Path, model_hash: str) -> None:
    """Refuse a folder with another version or other files: nothing is mixed or overwritten."""
    present = folder / CARD
    if not present.is_file():
        if folder.exists() and any(folder.iterdir()):
            raise ModelError(f"{folder} has files of something else: name a new folder")
        return
    card: ModelCard = read_card(present.read_bytes(), source=present)
    if card.model_hash != model_hash:
        raise ModelError(
            f"{folder} holds version {card.model_hash[:12]}, not {model_hash[:12]}: "
            "name another folder"
        )


def _export_onnx(checkpoint: Checkpoint, cached: Path, store: ObjectStore) -> tuple[bytes, float]:
    # Not at the top: weights and card are written without onnxruntime's and onnx's loading time.
    from ml.models.export.onnx_model import check_onnx, export_onnx  # noqa: PLC0415

    if not (cached / PROBE).is_file():
        try:
            data = store.get(f"models/{cached.name}/{PROBE}")
        except ObjectNotFound as error:
            raise ModelError(
                f"version {cached.name[:12]} has no probe, with which its ONNX file would be "
                "checked: export it without --onnx, or train it again"
            ) from error
        write_file(cached / PROBE, data)
    pixels, logits = read_probe(cached)
    exported = export_onnx(checkpoint)
    return exported, check_onnx(exported, checkpoint.card, pixels, logits)
