"""Installed signals: `signals/<hash>/` of the model bucket holds the model and its card."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import structlog
import torch

from ml.core.errors import ObjectNotFound, SignalError
from ml.core.files import write_file
from ml.models.checkpoint import file_sha256
from ml.models.signals.card import SignalCard, parse_card
from ml.models.signals.onnx_file import MAX_BYTES
from ml.models.signals.predictor import SignalPredictor
from ml.models.signals.trial import run_trial
from ml.storage.object_store import ObjectStore

log = structlog.get_logger()

_PREFIX = "signals/"
_MODEL, _CARD = "model.onnx", "card.json"


@dataclass(frozen=True)
class InstalledSignal:
    """A signal of the bucket, by the hash that a policy names."""

    signal_hash: str
    card: SignalCard


def read_source(source: str) -> bytes:
    """The bytes of a file, or of a file of an installed package, as `package:folder/model.onnx`.

    Nothing of the package is imported or run.

    Raises:
        SignalError: there is no such file or package.
    """
    name, colon, inside = source.partition(":")
    try:
        path = Path(source)
        if colon and not path.exists():
            path = _find_in_package(name, inside)
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SignalError(f"{source[:200]} cannot be read: {error.strerror}") from error


def _find_in_package(name: str, inside: str) -> Path:
    try:
        installed = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError) as error:
        raise SignalError(f"no package {name} is installed: `pip install {name}`") from error
    if inside not in {str(file) for file in installed.files or ()}:
        raise SignalError(f"package {name} has no file {inside}: see `pip show --files {name}`")
    return Path(str(installed.locate_file(inside)))


def install(data: bytes, card: SignalCard, *, store: ObjectStore) -> float:
    """Check a model in a process of its own, then store it with its card.

    Returns the processor seconds of a photo, on one core. Idempotent. The card is written last:
    what is listed is complete.

    Raises:
        SignalError: the bytes are not the card's, or the model cannot be used; names the fix.
        StorageError: the bucket failed.
    """
    if (found := hashlib.sha256(data).hexdigest()) != card.model_sha256:
        raise SignalError(
            f"the file's SHA-256 is {found}, the card names {card.model_sha256}: take the file "
            "that the card describes, or correct `model_sha256` if the source names this hash"
        )
    seconds = run_trial(data, card)
    place = f"{_PREFIX}{card.signal_hash}/"
    store.put(f"{place}{_MODEL}", data)
    store.put(f"{place}{_CARD}", card.model_dump_json(indent=1).encode())
    log.info("signal installed", signal=card.name, signal_hash=card.signal_hash)
    return seconds


def list_installed(store: ObjectStore) -> Iterator[InstalledSignal]:
    """The installed signals, by hash.

    Raises:
        SignalError: a card is damaged.
    """
    for page in store.list_pages(_PREFIX):
        for item in page:
            if item.key.endswith(f"/{_CARD}"):
                signal_hash = item.key.split("/")[1]
                yield InstalledSignal(signal_hash, _read_card(signal_hash, store))


def load_signal(
    signal_hash: str, *, store: ObjectStore, cache: Path, device: torch.device
) -> SignalPredictor:
    """Load a signal, its model from the local cache or else from the bucket; hashes are checked.

    Raises:
        SignalError: it is not installed, its card is another one, or it cannot be computed here.
        ModelHashMismatch: the bucket's bytes are not those of the card.
        StorageError: the bucket failed, or the cache cannot be written.
    """
    card = _read_card(signal_hash, store)
    path = cache / _PREFIX / f"{card.model_sha256}.onnx"
    if not path.is_file() or file_sha256(path) != card.model_sha256:
        key = f"{_PREFIX}{signal_hash}/{_MODEL}"
        write_file(path, store.get_hashed(key, card.model_sha256))
    gpu = device.type == "cuda"
    return SignalPredictor(card, path.read_bytes(), threads=torch.get_num_threads(), gpu=gpu)


def _read_card(signal_hash: str, store: ObjectStore) -> SignalCard:
    key = f"{_PREFIX}{signal_hash}/{_CARD}"
    try:
        card = parse_card(store.get(key), source=key)
    except ObjectNotFound as error:
        raise SignalError(
            f"no signal {signal_hash} is installed: `python -m ml signals list` shows those that "
            "are, `python -m ml signals install` adds one (docs/signals.md)"
        ) from error
    if card.signal_hash != signal_hash:
        raise SignalError(f"{key} in the model bucket is another card: install the signal again")
    return card
