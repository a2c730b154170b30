"""Settings, Airflow options, paths, queues and commands in the compose files exist."""

import argparse
import importlib
import re
import warnings
from pathlib import Path
from typing import Any, get_args

import pytest
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
from airflow.configuration import retrieve_configuration_description as described
from pydantic import SecretStr
from typer.main import get_command

from check_secrets import NAMES
from ml.cli.main import app
from ml.core.commerce_names import CommerceNames
from ml.core.settings import ROOT, Settings
from tests.support.compose import GPU, MAIN, resolved, services

pytestmark = pytest.mark.airflow

ONCE = {"check", "init"}
LONG_RUNNING = {
    "postgres", "redis", "object-storage", "api-server", "scheduler", "dag-processor", "triggerer",
    "worker-cpu", "predict",
}  # fmt: skip
AIRFLOW = ("init", "api-server", "scheduler", "dag-processor", "triggerer", "worker-cpu")
ALL = services(MAIN, GPU)
EACH = pytest.mark.parametrize("name", sorted(ALL))
IN_IMAGE = "/opt/moderation"


def raw(name: str = MAIN) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def environment(name: str) -> dict[str, str | None]:
    return dict(ALL[name].get("environment") or {})


def in_files() -> set[str]:
    """Return the settings that are mounted as files; optional secrets are variables."""
    secret = {
        name
        for name, field in Settings.model_fields.items()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    }
    return {name for name in secret if f"moderation_{name}" in NAMES}


def test_compose_has_exactly_the_known_services() -> None:
    assert set(services(MAIN)) == ONCE | LONG_RUNNING
    assert set(ALL) == ONCE | LONG_RUNNING | {"worker-gpu"}


@EACH
def test_every_service_runs_without_root_and_capabilities(name: str) -> None:
    service = ALL[name]
    assert re.split("[:]", service["user"])[0] not in ("", "root", "0")
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert service.get("network_mode") != "host"


@EACH
def test_every_service_has_limits_log_rotation_and_restart_policy(name: str) -> None:
    service = ALL[name]
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert int(limits["memory"]) >= 256 * 2**20
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert service["init"]


@EACH
def test_every_long_running_service_has_a_health_check(name: str) -> None:
    health = ALL[name]["healthcheck"]
    if name in ONCE:
        assert health == {"disable": True}
    else:
        assert health["test"][0] in ("CMD", "CMD-SHELL")
        assert health["interval"]
        assert health["timeout"]


@EACH
def test_every_service_waits_for_the_secrets_check(name: str) -> None:
    waits = {other: how["condition"] for other, how in ALL[name].get("depends_on", {}).items()}
    if name == "check":
        assert waits == {}
        assert {secret["source"] for secret in ALL[name]["secrets"]} == set(NAMES)
    elif name in ("postgres", "redis", "object-storage"):
        assert waits == {"check": "service_completed_successfully"}
    else:
        assert waits["init" if name != "init" else "check"] == "service_completed_successfully"
        assert waits["postgres"] == waits["redis"] == waits["object-storage"] == "service_healthy"


@EACH
def test_compose_images_are_pinned_by_version(name: str) -> None:
    _, _, tag = ALL[name]["image"].rpartition(":")
    assert re.search(r"\d+\.\d+", tag)


@EACH
def test_no_secret_is_in_an_environment(name: str) -> None:
    secret = {f"MODERATION_{field.upper()}" for field in in_files()}
    secret |= {f"AIRFLOW__{s}__{o}".upper() for s, o in conf.sensitive_config_values}
    assert set(environment(name)) & secret == set()


def test_published_ports_are_on_loopback_only() -> None:
    published = {p["published"]: p["host_ip"] for s in ALL.values() for p in s.get("ports", [])}
    assert published == {"8080": "127.0.0.1", "5000": "127.0.0.1", "8333": "127.0.0.1"}


def test_database_and_broker_are_on_an_internal_network() -> None:
    assert resolved(MAIN)["networks"]["backend"]["internal"]
    assert [list(ALL[name]["networks"]) for name in ("postgres", "redis")] == [["backend"]] * 2


def test_every_setting_and_no_other_is_passed_to_the_services() -> None:
    known = {f"MODERATION_{n.upper()}" for n in Settings.model_fields if n != "commerce"}
    known |= {f"MODERATION_COMMERCE__{n.upper()}" for n in CommerceNames.model_fields}
    known -= {f"MODERATION_{name.upper()}" for name in in_files()}
    known.remove("MODERATION_EMBEDDED")  # a deployment never uses the development servers
    # Compose mounts the credentials as secrets, and a connection may not be named besides.
    known -= {"MODERATION_DATABASE_CONN_ID", "MODERATION_S3_CONN_ID"}
    written = set(re.findall(r"^  (MODERATION_\w+):", raw(), re.MULTILINE))
    assert written == known | {"MODERATION_SECRETS_DIR"}


def test_env_example_variables_are_used_by_the_services() -> None:
    example = dict(re.findall(r"^(?:# )?([A-Z_0-9]+)=(.*)$", raw(".env.example"), re.MULTILINE))
    used = set(re.findall(r"\$\{(\w+)", raw() + raw(GPU)))
    used |= set(re.findall(r"^  (MODERATION_\w+):\s*$", raw(), re.MULTILINE))
    assert set(example) - used - {name.upper() for name in NAMES} == set()
    assert used - set(example) - {"IMAGE_TAG", "SECRETS_DIR", "EXECUTION_API_URL"} <= {
        name for name in used if name.startswith("MODERATION_")
    }
    assert environment("scheduler")["MODERATION_PHOTO_PREFIX"] == "reviews/%Y/%m/%d/"


def test_every_secret_setting_is_a_mounted_file() -> None:
    mounted = {secret["source"] for secret in ALL["predict"]["secrets"]}
    assert in_files() == {"database_url", "s3_access_key", "s3_secret_key"}
    assert mounted == {f"moderation_{field}" for field in in_files()}
    assert environment("predict")["MODERATION_SECRETS_DIR"] == "/run/secrets"


@pytest.mark.parametrize("name", [*AIRFLOW, "worker-gpu"])
def test_every_airflow_option_exists(name: str) -> None:
    sections = described()
    mounted = {secret["source"] for secret in ALL[name]["secrets"]}
    for variable, value in environment(name).items():
        if not variable.startswith("AIRFLOW__"):
            continue
        _, section, option = variable.lower().split("__")
        if option.endswith("_cmd"):
            option = option.removesuffix("_cmd")
            assert (section, option) in conf.sensitive_config_values
            command, path = str(value).split()
            assert command == "cat"
            assert path.removeprefix("/run/secrets/") in mounted
        assert option in sections[section]["options"]


def test_configured_airflow_classes_exist() -> None:
    module, _, name = str(environment("scheduler")["AIRFLOW__CORE__AUTH_MANAGER"]).rpartition(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the provider's use of Starlette
        assert hasattr(importlib.import_module(module), name)


def test_every_task_queue_has_a_worker() -> None:
    listens = {}
    for name in ("worker-cpu", "worker-gpu"):
        command = ALL[name]["command"]
        listens[name] = command[command.index("--queues") + 1]
    assert listens == {"worker-cpu": "default", "worker-gpu": "gpu"}
    assert conf.get("operators", "default_queue") == "default"
    assert Settings.model_fields["gpu_queue"].default == "default"
    without = services(MAIN)
    assert all(without[name]["environment"]["MODERATION_GPU_QUEUE"] is None for name in AIRFLOW)
    assert {environment(n)["MODERATION_GPU_QUEUE"] for n in (*AIRFLOW, "worker-gpu")} == {"gpu"}


def test_gpu_worker_has_a_gpu_and_device_cuda() -> None:
    worker = ALL["worker-gpu"]
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert worker["environment"]["MODERATION_DEVICE"] == "cuda"
    assert worker["build"]["target"] == "cuda"
    assert worker["command"][-2:] == ["--concurrency", "1"]


def test_visibility_timeout_is_longer_than_any_task() -> None:
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "dags").glob("*.py")]
    longest = max(int(hours) for text in texts for hours in re.findall(r"hours=(\d+)", text))
    option = "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"
    assert int(environment("worker-cpu")[option] or 0) > longest * 3600


def in_our_image(service: dict[str, Any]) -> bool:
    return service.get("build", {}).get("target") in ("cpu", "cuda")


def commands() -> list[list[str]]:
    """Yield each command and health check that runs in our image."""
    found = []
    for service in filter(in_our_image, ALL.values()):
        kind, *test = service["healthcheck"].get("test", ["CMD"])
        found += [service["command"], test[0].split() if kind == "CMD-SHELL" else test]
    return [command for command in found if command]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_compose_command_exists(command: list[str]) -> None:
    program, *arguments = command
    if program == "airflow":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, "error", lambda _, said: pytest.fail(said))
            assert callable(get_parser().parse_args(arguments).func)
    elif command[:3] == ["python", "-m", "ml"]:
        assert command[3] in get_command(app).commands  # type: ignore[attr-defined]  # click's
    elif program == "python":
        assert (ROOT / arguments[0]).is_file()
    elif program == "celery":
        module, _, attribute = arguments[arguments.index("--app") + 1].rpartition(".")
        assert hasattr(importlib.import_module(module), attribute)
        assert arguments[-2] == "--destination"
    else:
        assert (ROOT / program).is_file() or program == "true"


def test_mount_points_exist_in_the_image() -> None:
    dockerfile = raw("deploy/Dockerfile")
    made = re.search(r"install -d -o 50000 .*? (/.*)$", dockerfile, re.MULTILINE)
    assert made
    for name, service in ALL.items():
        for mount in service.get("volumes", []):
            assert mount["type"] == "volume", name
            if in_our_image(service):
                assert mount["target"] in made[1].split()
    assert environment("predict")["MODERATION_DATA_DIR"] in made[1].split()
    assert "mkdir -p /objects && chown 1000:1000 /objects" in dockerfile


def test_named_volumes_are_used_and_declared() -> None:
    used = {m["source"] for s in ALL.values() for m in s.get("volumes", [])}
    assert used == set(resolved(MAIN)["volumes"])


def paths_in(model: Any) -> set[str]:  # noqa: ANN401 - a tree of JSON
    return set(re.findall(rf"{IN_IMAGE}/([\w./-]+)", str(model)))


def test_compose_files_name_existing_paths() -> None:
    named = (
        paths_in(ALL) | paths_in(raw("deploy/Dockerfile")) | paths_in(raw("deploy/init/init.sh"))
    )
    named |= paths_in(raw("deploy/init/entrypoint.sh"))
    assert {path for path in named if not (ROOT / path).exists()} == set()
    assert "deploy/init/entrypoint.sh" in named


def test_init_scripts_name_existing_files() -> None:
    scripts = re.findall(r"(?:python|command:) ?(deploy/init/\w+\.py)", raw("deploy/init/init.sh"))
    assert len(scripts) == 4
    assert all((ROOT / script).is_file() for script in scripts)
    for script in ("init.sh", "entrypoint.sh"):
        assert Path(ROOT / "deploy" / "init" / script).stat().st_mode & 0o111
