"""Signals in the model bucket: installed, listed, loaded, and refused where something differs."""

import hashlib
from pathlib import Path

import pytest
import torch

from ml.core.errors import ModelHashMismatch, SignalError
from ml.models.signals.card import SignalCard
from ml.models.signals.predictor import SignalPredictor
from ml.models.signals.registry import install, list_installed, load_signal, read_source
from tests.support.servers import Shop
from tests.support.signal_models import brightness, make_card, no_number_in_the_light

pytestmark = pytest.mark.integration

DATA = brightness()
CARD = make_card(DATA)
PLACE = f"signals/{CARD.signal_hash}"


@pytest.fixture
def installed(shop: Shop) -> Shop:
    install(DATA, CARD, store=shop.connections.models)
    return shop


def load(shop: Shop, signal_hash: str = CARD.signal_hash) -> SignalPredictor:
    connections = shop.connections
    return load_signal(
        signal_hash,
        store=connections.models,
        cache=connections.model_cache,
        device=torch.device("cpu"),
    )


def hashes(shop: Shop) -> list[str]:
    return [signal.signal_hash for signal in list_installed(shop.connections.models)]


def test_installed_signal_is_listed_with_its_card_and_loaded_from_the_bucket(
    installed: Shop, tmp_path: Path
) -> None:
    [found] = [
        s for s in list_installed(installed.connections.models) if s.signal_hash == CARD.signal_hash
    ]
    assert found.card == CARD
    first = load(installed)
    installed.connections.models.put(f"{PLACE}/model.onnx", b"gone bad since")
    assert load(installed).card == first.card  # from this machine's cache
    assert tmp_path in installed.connections.model_cache.parents


def test_installing_twice_is_idempotent(installed: Shop) -> None:
    before = hashes(installed)
    install(DATA, CARD, store=installed.connections.models)
    assert hashes(installed) == before


def test_another_card_of_the_same_model_is_another_signal(installed: Shop) -> None:
    other = make_card(DATA, input={"fit": "pad"})
    install(DATA, other, store=installed.connections.models)
    assert {CARD.signal_hash, other.signal_hash} <= set(hashes(installed))
    assert load(installed, other.signal_hash).card.input.fit == "pad"


def test_file_that_is_not_the_cards_is_refused_and_not_stored(shop: Shop) -> None:
    before = hashes(shop)
    changed = DATA[:-1] + b"x"
    with pytest.raises(SignalError, match=hashlib.sha256(changed).hexdigest()):
        install(changed, make_card(DATA, input={"padding": 7}), store=shop.connections.models)
    assert hashes(shop) == before


def test_signal_that_is_not_installed_is_refused_with_the_command(shop: Shop) -> None:
    with pytest.raises(SignalError, match="python -m ml signals install"):
        load(shop, "f" * 64)


def test_model_changed_in_the_bucket_is_refused(shop: Shop) -> None:
    card = make_card(DATA, input={"padding": 1})
    install(DATA, card, store=shop.connections.models)
    shop.connections.models.put(f"signals/{card.signal_hash}/model.onnx", no_number_in_the_light())
    with pytest.raises(ModelHashMismatch):
        load(shop, card.signal_hash)


@pytest.mark.parametrize(
    ("text", "words"),
    [(CARD.model_dump_json().encode(), "is another card"), (b'{"name": "x"}', "is no card"),
     (b"<html>", "not valid JSON")],
)  # fmt: skip
def test_card_changed_in_the_bucket_is_refused(shop: Shop, text: bytes, words: str) -> None:
    card = make_card(DATA, input={"padding": 2})
    install(DATA, card, store=shop.connections.models)
    shop.connections.models.put(f"signals/{card.signal_hash}/card.json", text)
    with pytest.raises(SignalError, match=words):
        load(shop, card.signal_hash)
    shop.connections.models.put(f"signals/{card.signal_hash}/card.json", _json(card))


def _json(card: SignalCard) -> bytes:
    return card.model_dump_json(indent=1).encode()


def test_damaged_file_of_the_cache_is_fetched_again(installed: Shop) -> None:
    load(installed)
    [cached] = (installed.connections.model_cache / "signals").iterdir()
    cached.write_bytes(b"half")
    installed.connections.models.put(f"{PLACE}/model.onnx", DATA)
    assert load(installed).card == CARD
    assert cached.read_bytes() == DATA


def test_file_of_an_installed_package_is_read_without_importing_it(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(DATA)
    assert read_source(str(path)) == DATA
    assert read_source("onnx:onnx/__init__.py").startswith(b"#")


@pytest.mark.parametrize(
    ("source", "words"),
    [("missing.onnx", "cannot be read"), ("no-such-package:model.onnx", "pip install"),
     ("onnx:onnx/missing.onnx", "has no file"), ("onnx:/etc/hostname", "has no file"),
     ("onnx:../../../../etc/hostname", "has no file"), ("a" * 5000 + ":b", "cannot be read")],
)  # fmt: skip
def test_source_that_does_not_exist_is_refused(source: str, words: str) -> None:
    with pytest.raises(SignalError, match=words):
        read_source(source)
