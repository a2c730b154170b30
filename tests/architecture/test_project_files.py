"""One version number, and the same checks everywhere: make, pre-commit, hosted CI."""

import re
import tomllib

import yaml

from ml.core.settings import ROOT
from tests.architecture.pages import read

VERSION = tomllib.loads(read("pyproject.toml"))["project"]["version"]
NAMES_AN_IMAGE = (
    "docker-compose.yaml",
    "docker-compose.gpu.yaml",
    "deploy/kubernetes/pod_template_gpu.yaml",
    "docs/deployment.md",
)
_IMAGE = re.compile(r"review-photo-moderation:(?:\$\{IMAGE_TAG:-)?(\d[\d.]*\d)")


def test_every_image_has_the_version_of_the_project() -> None:
    for page in NAMES_AN_IMAGE:
        assert set(_IMAGE.findall(read(page))) == {VERSION}, page
    values = yaml.safe_load(read("deploy/kubernetes/helm_values.yaml"))
    assert values["images"]["airflow"]["tag"] == f"{VERSION}-cpu"


def test_the_changelog_has_the_version_below_what_is_unreleased() -> None:
    first, latest, *_ = re.findall(r"^## (.+)$", read("CHANGELOG.md"), re.MULTILINE)
    assert first == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(VERSION)}\] - \d{{4}}-\d\d-\d\d", latest)


def test_security_supports_the_version() -> None:
    assert f"| {VERSION.rpartition('.')[0]} | yes |" in read("SECURITY.md")


def test_pre_commit_runs_what_make_check_runs() -> None:
    recipe = read("Makefile").split("\ncheck: ")[1].split("\n\n")[0].splitlines()[1:]
    [repository] = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    entries = [hook["entry"].removeprefix("env ") for hook in repository["hooks"]]
    assert entries == [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe]


def test_hosted_ci_runs_what_must_pass() -> None:
    [job] = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"].values()
    assert job["container"].startswith("python:3.11-")
    assert job["timeout-minutes"] == 90
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_ci_sets_up_checks_and_tests() -> None:
    verbs = re.findall(r"^(?:make|[^#]*?\bmake) (\w+)", read(".ci/run"), re.MULTILINE)
    assert verbs == ["setup", "check", "test"]


def test_issue_templates_are_forms() -> None:
    for name in ("bug_report", "feature_request"):
        form = yaml.safe_load(read(f".github/ISSUE_TEMPLATE/{name}.yml"))
        assert {"name", "description", "body"} <= set(form)
