"""The doctor's Airflow side, asked in the environment of an Airflow process."""

import json
import subprocess
import sys

from ml.doctor.finding import Finding

ASK = """
import dataclasses, json
from ml.doctor.examine import examine
from moderation_airflow.doctor.checks import airflow_checks
print(json.dumps({e.name: dataclasses.asdict(e.finding) for e in examine(airflow_checks())}))
"""


def ask(environment: dict[str, str], **changed: str) -> dict[str, Finding]:
    """The findings by the names of the checks, some variables changed."""
    paths = {"PYTHONPATH": ".:plugins", "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env=environment | paths | changed,
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        name: Finding(**found) for name, found in json.loads(done.stdout.splitlines()[-1]).items()
    }
