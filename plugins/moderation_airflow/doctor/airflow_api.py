"""Does Airflow run, and has it the pool of the judging tasks?"""

import httpx

from ml.doctor.finding import Finding, failed, ok, skipped
from ml.settings import load_settings
from moderation_airflow.api import CONNECTION_ID, connection, logged_in

COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


def airflow() -> Finding:
    """Log in as the DAGs' account and ask for the health of each component."""
    known = connection()
    if known is None:
        return skipped(f"the Airflow connection {CONNECTION_ID} is not defined")
    try:
        with logged_in(known) as client:
            health = client.get("/api/v2/monitor/health").raise_for_status().json()
    except httpx.HTTPStatusError as error:
        return failed(
            f"{error.request.url} answers {error.response.status_code}",
            do=f"mend login and password of the Airflow connection {CONNECTION_ID}",
        )
    except httpx.HTTPError as error:
        return failed(
            f"Airflow does not answer: {error}",
            do=f"start the API server, or mend host and port of the connection {CONNECTION_ID}",
        )
    # A component that was never started has no status: not every installation needs all.
    states = {name: (health.get(name) or {}).get("status") for name in COMPONENTS}
    ill = [name for name, state in states.items() if state not in ("healthy", None)]
    if ill:
        return failed(f"not healthy: {', '.join(ill)}", do="start it again; its log says why")
    return ok(f"healthy: {', '.join(name for name, state in states.items() if state)}")


def pool() -> Finding:
    """Look for the pool that `preflight` and `judge` wait for."""
    name = load_settings().judge_pool
    create = f'airflow pools set {name} 1 "judging tasks" (one slot a GPU)'
    known = connection()
    if known is None:
        return skipped(f"the Airflow connection {CONNECTION_ID} is not defined")
    with logged_in(known) as client:
        answer = client.get(f"/api/v2/pools/{name}")
    if answer.status_code == httpx.codes.NOT_FOUND:
        return failed(f"there is no pool {name}: tasks would stay scheduled", do=create)
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return failed(
            f"the account of {CONNECTION_ID} may not read pools",
            do="give it the role `user` or more",
        )
    slots = answer.raise_for_status().json()["slots"]
    if slots == 0:
        return failed(f"the pool {name} has no slot", do=create)
    return ok(f"{name}: {'no limit' if slots < 0 else f'{slots} slots'}")
