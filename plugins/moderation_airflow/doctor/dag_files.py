"""Do the DAG files parse where Airflow looks for them?"""

from pathlib import Path

from ml.doctor.finding import Finding, failed, ok
from ml.settings import ROOT


def dag_files() -> Finding:
    """Parse Airflow's DAG folder in this process, and look for each of our DAGs."""
    from airflow.configuration import conf
    from airflow.dag_processing.dagbag import DagBag

    folder = conf.get("core", "dags_folder")
    bag = DagBag(folder)
    if bag.import_errors:
        broken = [
            f"{Path(file).name}: {_last_line(said)}" for file, said in bag.import_errors.items()
        ]
        return failed(
            "; ".join(sorted(broken)),
            do="mend what its last line names: mostly a setting, or a missing PYTHONPATH",
        )
    absent = sorted({file.stem for file in (ROOT / "dags").glob("*.py")} - set(bag.dags))
    if absent:
        return failed(
            f"{folder} has no DAG {', '.join(absent)}",
            do=f"let AIRFLOW__CORE__DAGS_FOLDER be {ROOT / 'dags'}",
        )
    return ok(f"{len(bag.dags)} DAGs in {folder}")


def _last_line(said: str) -> str:
    return said.strip().splitlines()[-1]
