"""A real Label Studio, of an environment of its own: our tasks are annotated and come back."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from devtools.embedded.ports import free_ports
from ml.learning.labels.export_labels import ExportRequest, Format, export_labels
from ml.learning.labels.import_csv import import_labels
from ml.policy.schema import load_policy
from tests.support.labelled_photos import archive_photo, label_photos
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

TOKEN = "0123456789abcdef0123456789abcdef01234567"
UV = Path(sys.executable).with_name("uv")
START_SECONDS = 300


@pytest.fixture(scope="module")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, from the search path or installed from the registry."""
    present = shutil.which("label-studio")
    if present:
        return Path(present)
    folder = tmp_path_factory.mktemp("label-studio") / "venv"
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, folder], check=True)
    python = folder / "bin" / "python"
    install = [UV, "pip", "install", "-q", "--python", python, "label-studio"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"label-studio cannot be installed, is there a registry? {done.stderr[-300:]}")
    return folder / "bin" / "label-studio"


@pytest.fixture
def client(label_studio: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a running server, whose documents are the files of `tmp_path`."""
    port = free_ports(1)[0]
    environ = os.environ | {
        "LABEL_STUDIO_BASE_DATA_DIR": str(tmp_path / "server"),
        "LABEL_STUDIO_USERNAME": "ann@shop.example",
        "LABEL_STUDIO_PASSWORD": TOKEN[:20],
        "LABEL_STUDIO_USER_TOKEN": TOKEN,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(tmp_path),
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
    }
    command = [label_studio, "start", "--no-browser", "--port", str(port)]
    command += ["--internal-host", "127.0.0.1"]
    log = (tmp_path / "server.log").open("wb")
    server = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    base = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=base, headers={"Authorization": f"Token {TOKEN}"}) as opened:
        opened.timeout = httpx.Timeout(60)
        try:
            _wait(opened, server, tmp_path / "server.log")
            yield opened
        finally:
            server.terminate()
            server.wait(30)
            log.close()


def _wait(client: httpx.Client, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if client.get("/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(1)
    pytest.fail(log.read_text(errors="replace")[-2000:])


def _json(response: httpx.Response) -> object:
    assert response.is_success, response.text
    return response.json()


def test_tasks_are_annotated_in_label_studio_and_imported(
    shop: Shop, client: httpx.Client, tmp_path: Path
) -> None:
    contents = [archive_photo(shop, photo(BRIGHT, seed=8)), archive_photo(shop, photo(DARK))]
    label_photos(shop, contents, "normal")
    policy = load_policy(shop.settings.policy_file)
    shared = {"settings": shop.settings, "connections": shop.connections, "policy": policy}
    out = tmp_path / "out"
    export_labels(out, ExportRequest(Format.LABEL_STUDIO), **shared)  # type: ignore[arg-type]  # of these types

    config = (out / "label_config.xml").read_text(encoding="utf-8")
    created = client.post("/api/projects", json={"title": "photos", "label_config": config})
    project = _json(created)["id"]  # type: ignore[index]  # an object
    tasks_file = (out / "tasks.json").read_bytes()
    files = {"file": ("tasks.json", tasks_file, "application/json")}
    imported = _json(client.post(f"/api/projects/{project}/import", files=files))
    assert (imported["task_count"], imported["prediction_count"]) == (2, 2)  # type: ignore[index]  # an object
    storage = {"project": project, "path": str(out / "photos"), "use_blob_urls": True}
    _json(client.post("/api/storages/localfiles", json=storage))

    tasks = _json(client.get("/api/tasks", params={"project": project, "fields": "all"}))["tasks"]  # type: ignore[index]  # as above
    assert client.get(tasks[0]["data"]["image"]).content[:2] == b"\xff\xd8"
    dark = next(task for task in tasks if task["data"]["content_sha256"] == contents[1])
    chosen = dark["predictions"][0]["result"][0] | {"value": {"choices": ["violate"]}}
    _json(client.post(f"/api/tasks/{dark['id']}/annotations", json={"result": [chosen]}))

    exported = client.get(f"/api/projects/{project}/export", params={"exportType": "JSON"})
    (tmp_path / "project.json").write_bytes(exported.content)
    result = import_labels(tmp_path / "project.json", **shared)  # type: ignore[arg-type]  # as above
    assert (result.imported, result.known, result.rejected) == (1, 0, [])
    again = import_labels(tmp_path / "project.json", **shared)  # type: ignore[arg-type]  # as above
    assert (again.imported, again.known) == (0, 1)
    rows = shop.rows(
        "select content_sha256, label from moderation.human_label "
        "where reviewer like 'label-studio:%'"
    )
    assert rows == [(contents[1], "violate")]
