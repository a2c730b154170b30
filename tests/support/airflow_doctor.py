"""Run the doctor's Airflow checks in the environment of an Airflow process."""

import json
import subprocess
import sys

from ml.operations.doctor.check import Finding

CHECK_SCRIPT = """
import dataclasses, json
from ml.operations.doctor.check import run_checks
from moderation_airflow.doctor import airflow_checks
print(json.dumps({name: dataclasses.asdict(found) for name, found in run_checks(airflow_checks())}))
"""


def run_airflow_checks(environment: dict[str, str], **changed: str) -> dict[str, Finding]:
    """Return the findings by name of the check, with some variables changed."""
    paths = {"PYTHONPATH": ".:plugins", "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(
        [sys.executable, "-c", CHECK_SCRIPT],
        env=environment | paths | changed,
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        name: Finding(**found) for name, found in json.loads(done.stdout.splitlines()[-1]).items()
    }
