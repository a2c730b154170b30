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
from torchvision.models import ResNet18_Weights

from ml.errors import StartWeightsError
from ml.model.checkpoint import Checkpoint, load_checkpoint
from ml.model.resnet18 import build
from ml.model.shipped_weights import read_start_weights
from ml.model.start_weights import IMAGENET, OfficialFile, load_champion, load_start_weights
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
    return build(1000).state_dict()


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


def test_none_starts_from_scratch_with_the_head_of_the_policy() -> None:
    network, origin = load_start_weights("none", 3)
    assert network.state_dict()["fc.weight"].shape == (3, 512)
    assert origin.kind == "scratch"


def test_scratch_is_said_loudly() -> None:
    with capture_logs() as logs:
        load_start_weights("none", 2)
    assert [(e["log_level"], "from scratch" in e["event"]) for e in logs] == [("warning", True)]


def test_auto_without_network_takes_the_shipped_weights_and_says_why(closed_port: int) -> None:
    official = _official(f"http://127.0.0.1:{closed_port}")
    before = time.monotonic()
    with capture_logs() as logs:
        network, origin = load_start_weights("auto", 2, official=official)
    assert time.monotonic() - before < 15
    state, card = read_start_weights()
    assert (origin.kind, origin.detail) == ("shipped", card.sha256)
    found = network.state_dict()
    assert all(torch.equal(found[name], tensor.float()) for name, tensor in state.items())
    assert found["fc.weight"].shape == (2, 512)
    assert [e["log_level"] for e in logs] == ["warning", "info"]
    assert "ConnectError" in logs[0]["reason"]
    assert logs[1]["sha256"] == card.sha256


def test_shipped_asks_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("asked the network"))
    assert load_start_weights("shipped", 3)[1].kind == "shipped"


def test_imagenet_without_network_stops_with_the_remedy(closed_port: int) -> None:
    official = _official(f"http://127.0.0.1:{closed_port}")
    with pytest.raises(StartWeightsError, match="MODERATION_START_WEIGHTS"):
        load_start_weights("imagenet", 2, official=official)


def test_official_weights_are_downloaded_once_checked_and_get_a_new_head(
    serve: object, source: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    data, sha256 = _served(source, tmp_path)
    official = _official(serve(data), sha256)  # type: ignore[operator]
    network, origin = load_start_weights("imagenet", 2, official=official)
    assert (origin.kind, origin.detail) == ("imagenet", "Official.V1")
    state = network.state_dict()
    assert torch.equal(state["layer4.1.conv2.weight"], source["layer4.1.conv2.weight"])
    assert state["fc.weight"].shape == (2, 512)
    assert [p.name for p in official.cached.parent.iterdir()] == ["resnet18-test.pth"]
    unreachable = OfficialFile("Official.V1", "http://127.0.0.1:9/resnet18-test.pth", sha256)
    assert load_start_weights("auto", 2, official=unreachable)[1].kind == "imagenet"


def test_other_bytes_under_the_official_name_are_never_unpickled(
    serve: object, source: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    data, _ = _served(source, tmp_path)
    with pytest.raises(StartWeightsError, match="hashes to"):
        load_start_weights(
            "imagenet",
            2,
            official=_official(serve(data)),  # type: ignore[operator]
        )


def test_the_pinned_hash_is_the_one_in_torchvisions_file_name() -> None:
    assert ResNet18_Weights.IMAGENET1K_V1.url == IMAGENET.url
    assert IMAGENET.url.endswith(f"-{IMAGENET.sha256[:8]}.pth")


def test_a_file_of_as_many_classes_keeps_its_head(tmp_path: Path) -> None:
    torch.manual_seed(5)
    given = build(2).state_dict()
    path = tmp_path / "start.safetensors"
    save_file(given, path)
    network, origin = load_start_weights(str(path), 2)
    assert all(torch.equal(t, given[n]) for n, t in network.state_dict().items())
    assert origin.kind == "file"
    assert origin.detail == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("head", ["of another size", "absent"])
def test_a_file_with_another_head_gives_all_but_the_head(
    head: str, source: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    given = {n: t for n, t in source.items() if head != "absent" or not n.startswith("fc.")}
    save_file(given, tmp_path / "start.safetensors")
    network, _ = load_start_weights(str(tmp_path / "start.safetensors"), 2)
    assert torch.equal(network.state_dict()["conv1.weight"], source["conv1.weight"])
    assert network.state_dict()["fc.weight"].shape == (2, 512)


@pytest.mark.parametrize("fault", ["missing", "unknown", "of another shape"])
def test_a_file_that_is_no_resnet18_is_refused(
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
    with pytest.raises(StartWeightsError, match=fault):
        load_start_weights(str(tmp_path / "start.safetensors"), 2)


@pytest.mark.parametrize(
    ("name", "words"),
    [("start.pth", "may run code"), ("broken.safetensors", "safetensors"), ("imagnet", "`auto`")],
)
def test_anything_else_is_refused_with_the_remedy(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "start.pth").write_bytes(b"pickle")
    (tmp_path / "broken.safetensors").write_bytes(b"no header")
    with pytest.raises(StartWeightsError, match=words):
        load_start_weights(str(tmp_path / name), 2)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartWeightsError, match=r"gone\.safetensors"):
        load_start_weights(str(tmp_path / "gone.safetensors"), 2)


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("champion")
    make_champion(folder)
    return load_checkpoint(folder)


def test_a_warm_start_copies_the_heads_rows_by_class_name(champion: Checkpoint) -> None:
    torch.manual_seed(7)
    network, origin = load_champion(champion, ("advert", "violate", "normal"))
    found, known = network.state_dict(), champion.state
    for row, before in ((1, 1), (2, 0)):  # the champion's are normal, violate
        assert torch.equal(found["fc.weight"][row], known["fc.weight"][before])
        assert torch.equal(found["fc.bias"][row], known["fc.bias"][before])
    assert (found["fc.weight"][0].abs() <= 512**-0.5).all()  # torch's own draw
    assert found["fc.weight"][0].std() > 0.01
    rest = [n for n in known if not n.startswith("fc.")]
    assert all(torch.equal(found[n], known[n]) for n in rest)
    assert (origin.kind, origin.detail) == ("champion", champion.card.model_hash)


def test_a_warm_start_with_the_same_classes_is_the_champion(champion: Checkpoint) -> None:
    network, _ = load_champion(champion, champion.card.classes)
    assert all(torch.equal(t, champion.state[n]) for n, t in network.state_dict().items())
    nn.init.zeros_(network.get_parameter("fc.weight"))
    assert champion.state["fc.weight"].abs().sum() > 0  # a copy
