"""As an operator starts it: a key by command, a process of its own, stopped by SIGTERM."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from devtools.embedded.ports import free_ports
from ml.core.settings import ROOT
from tests.support.photos import DARK, photo
from tests.support.servers import Shop
from tests.support.serving import SECONDS, multipart_files

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

_NAMED = (
    "database_url", "s3_endpoint_url", "s3_access_key", "s3_secret_key", "data_dir", "policy_file",
    "photo_prefix", "batch_size", "device", "inference", "number_type",
)  # fmt: skip


def environment(shop: Shop, **more: object) -> dict[str, str]:
    """The shop's settings for a process."""
    named = {name: getattr(shop.settings, name) for name in _NAMED} | more
    return os.environ | {
        f"MODERATION_{name.upper()}": str(v.get_secret_value() if isinstance(v, SecretStr) else v)
        for name, v in named.items()
    }


def command(shop: Shop, *words: str) -> str:
    """Run a command; its output."""
    done = subprocess.run(
        [sys.executable, "-m", "ml", *words],
        cwd=ROOT, env=environment(shop), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def process(shop: Shop, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """The service as a process, its address and its log."""
    port, log = free_ports(1)[0], tmp_path / "serve.log"
    with log.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "ml", "serve", "--port", str(port)],
            cwd=ROOT, env=environment(shop, serve_poll_seconds=0.5), stdout=out, stderr=out,
        )  # fmt: skip
    yield child, f"http://127.0.0.1:{port}", log
    child.kill()
    child.wait()


def test_serve_does_not_start_with_a_broken_policy_file(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("a: 1\nb: [", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ml", "serve"], cwd=ROOT,
        env=environment(shop, policy_file=file), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    said = "".join(done.stderr.split())
    assert "PolicyError" in said
    assert "policy.yaml,line2:" in said
    assert "correctthisline,orrestorethefile" in said


def test_serve_and_keys(shop: Shop, process: tuple[subprocess.Popen[bytes], str, Path]) -> None:
    child, url, log = process
    token = command(shop, "keys", "create", "web shop").strip()
    ask = {"url": f"{url}/predict", "headers": {"Authorization": f"Bearer {token}"}}
    deadline = time.monotonic() + SECONDS
    status, answer = 0, None
    while status != 200 and time.monotonic() < deadline:
        try:
            answer = httpx.post(
                **ask, files=multipart_files(photo(DARK)), timeout=SECONDS, trust_env=False
            )  # type: ignore[arg-type]  # two kinds of values
            status = answer.status_code
        except httpx.TransportError:
            time.sleep(0.2)
    assert answer is not None
    assert answer.json()["result"] == "violate", log.read_text()
    assert "web shop" in command(shop, "keys", "list")
    assert token[17:] not in command(shop, "keys", "list")
    assert "revoked" in command(shop, "keys", "revoke", "web shop")
    child.send_signal(signal.SIGTERM)
    assert child.wait(SECONDS) in (0, -signal.SIGTERM)
    lines = log.read_text(encoding="utf-8")
    assert '"route": "/predict"' in lines
    assert token[17:] not in lines
