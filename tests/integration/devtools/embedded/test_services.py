import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import psycopg
import pytest

from devtools.embedded import services

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[4]
START = (
    "import json, sys; from dataclasses import asdict; from pathlib import Path;"
    "from devtools.embedded import services; d = Path(sys.argv[1]);"
    "print(json.dumps(asdict(services.start(d))))"
)
LIFE = START + "; services.remove(d)"


@pytest.fixture(scope="module")
def folder(open_folder: Path) -> Iterator[Path]:
    yield open_folder / "data"
    services.remove(open_folder / "data")


def processes(folder: Path) -> list[psutil.Process]:
    postgres, store = services._servers(folder)
    return [*postgres._postmasters(postgres._require_state()), *store._processes()]


def running(folder: Path) -> list[bool]:
    return [server.is_running() for server in services._servers(folder)]


def run_python(
    code: str, folder: Path, python: str = sys.executable, **options: object
) -> "subprocess.Popen[str]":
    path = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
    search = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    return subprocess.Popen(
        [python, "-W", "error", "-c", code, str(folder)],
        env=os.environ | {"PYTHONPATH": path, "PATH": search},
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def result(process: subprocess.Popen) -> dict[str, str]:
    with process:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
    (answer,) = [line for line in output.splitlines() if line.startswith("{")]
    return json.loads(answer)


def test_concurrent_starts_create_one_pair_of_servers_that_outlives_them(folder: Path) -> None:
    starters = [run_python(START, folder) for _ in range(2)]
    first, second = map(result, starters)
    assert first == second
    assert len(processes(folder)) == 2
    assert asdict(services.start(folder)) == first
    assert running(folder) == [True, True]


def test_start_creates_both_databases_and_private_secrets(folder: Path) -> None:
    started = services.start(folder)
    for url, name in (
        (started.database_url, "moderation"),
        (started.airflow_database_url, "airflow"),
    ):
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == (name,)
    file = folder / "services.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == asdict(started)
    password = started.database_url.split(":")[2].split("@")[0]
    for secret in (password, started.s3_secret_key, started.s3_access_key):
        assert secret not in repr(started)


def test_stop_spares_other_processes_that_name_the_folder(folder: Path) -> None:
    services.start(folder)
    ours = [child for each in processes(folder) for child in (each, *each.children(recursive=True))]
    config = f"-s3.config={folder}/seaweedfs/s3.json"
    with subprocess.Popen(["sh", "-c", "sleep 60; :", config]) as stranger:
        services.stop(folder)
        assert stranger.poll() is None
        stranger.kill()
    ended = [not each.is_running() or each.status() == psutil.STATUS_ZOMBIE for each in ours]
    assert all(ended)
    assert len(ours) > 5
    assert running(folder) == [False, False]
    services.stop(folder)


def test_start_after_a_crash_returns_the_same_services(folder: Path) -> None:
    before = services.start(folder)
    killed = processes(folder)
    for each in killed:
        each.kill()
    psutil.wait_procs(killed, timeout=30)
    assert (folder / "services.json").exists()
    assert running(folder) == [False, False]
    assert services.start(folder) == before


def test_stop_without_servers_does_nothing(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    services.stop(absent)
    assert running(absent) == [False, False]

    assert not absent.exists()


@pytest.mark.usefixtures("as_root")
def test_ordinary_user_can_start_the_servers(open_folder: Path) -> None:
    home = open_folder / "ordinary"
    home.mkdir()
    ordinary = pwd.getpwnam("daemon")  # initdb needs a user with a name
    os.chown(home, ordinary.pw_uid, ordinary.pw_gid)
    account = {"user": ordinary.pw_uid, "group": ordinary.pw_gid, "extra_groups": [], "cwd": home}
    candidates = (sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin"))
    for python in filter(None, candidates):
        try:
            probe = run_python("import devtools.embedded.services", home, python, **account)
        except PermissionError:
            continue
        with probe:
            probe.communicate(timeout=60)
        if probe.returncode == 0:
            break
    else:
        pytest.skip("no Python with the project's packages that another user may run")
    result(run_python(LIFE, home / "data", python, **account))
    assert [path.name for path in (home / "data").iterdir()] == ["services.lock"]
