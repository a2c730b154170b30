"""Run the doctor in the environment of the local stack's Airflow, if there is one."""

import os
import subprocess
import sys
from contextlib import closing

from devtools.local_stack.local_stack import LocalStack
from ml.core.settings import ROOT, Settings


def run_doctor(settings: Settings, predict_url: str | None) -> int:
    """Run all checks in a separate process and return its exit code."""
    options = ["--predict-url", predict_url] if predict_url else []
    return subprocess.run(
        [sys.executable, "-m", "moderation_airflow.doctor", *options],
        env=_environment(settings),
        check=False,
    ).returncode


def _environment(settings: Settings) -> dict[str, str]:
    path = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
    identity = settings.data_dir / "airflow" / "identity.json"
    if not (settings.embedded and identity.is_file()):
        # No local Airflow: the environment names another one, if there is one at all.
        return {"AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags")} | os.environ | path
    stack = LocalStack(settings)
    with closing(stack.connections):
        airflow = stack.airflow.environment()
    base = {name: value for name, value in airflow.items() if not name.startswith("MODERATION_")}
    ours = {name: value for name, value in os.environ.items() if name.startswith("MODERATION_")}
    return base | ours | path
