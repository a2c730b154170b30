"""The doctor, in the environment of this machine's Airflow where there is one."""

import os
import subprocess
import sys
from contextlib import closing

from ml.settings import ROOT, Settings
from stack.machine import Machine


def run_doctor(settings: Settings, predict_url: str | None) -> int:
    """Run all checks in a process of their own; returns its exit code."""
    options = ["--predict-url", predict_url] if predict_url else []
    return subprocess.run(
        [sys.executable, "-m", "moderation_airflow.doctor.run", *options],
        env=_environment(settings),
        check=False,
    ).returncode


def _environment(settings: Settings) -> dict[str, str]:
    path = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
    if not (settings.data_dir / "airflow" / "identity.json").is_file():
        # No Airflow of ours here: the environment says where it is, if there is one at all.
        return {"AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags")} | os.environ | path
    machine = Machine(settings)
    with closing(machine.connections):
        airflow = machine.airflow.environment()
    # The settings as they were given: with the addresses of embedded servers filled in, these would
    # be examined like servers of somebody else.
    given = {name: value for name, value in airflow.items() if not name.startswith("MODERATION_")}
    ours = {name: value for name, value in os.environ.items() if name.startswith("MODERATION_")}
    return given | ours | path
