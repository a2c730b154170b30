"""Under CeleryExecutor: is the broker there, and has each queue a worker?"""

import redis
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from ml.doctor.finding import Finding, failed, ok, skipped
from ml.settings import load_settings

REPLY_SECONDS = 3.0
OTHERS = "the executor is not CeleryExecutor"


def broker() -> Finding:
    """Ask Redis whether it is there. Another broker is asked by way of its workers alone."""
    if not _celery():
        return skipped(OTHERS)
    from airflow.configuration import conf

    url = conf.get("celery", "broker_url")
    if not url.startswith(("redis://", "rediss://")):
        return ok("not a Redis: see the check `workers`")
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=REPLY_SECONDS) as client:
            version = client.info("server")["redis_version"]
    except redis.AuthenticationError as error:
        return failed(
            f"Redis refuses: {error}", do="mend the password in AIRFLOW__CELERY__BROKER_URL"
        )
    except redis.RedisError as error:
        return failed(
            f"Redis does not answer: {error}",
            do="start it, or mend host and port in AIRFLOW__CELERY__BROKER_URL",
        )
    return ok(f"Redis {version}")


def result_backend() -> Finding:
    """Log in where Celery keeps its results, if that is a database."""
    if not _celery():
        return skipped(OTHERS)
    from airflow.providers.celery.executors.celery_executor import app

    url = str(app.conf.result_backend)
    if not url.startswith("db+"):
        return skipped("not a database")
    engine = create_engine(url.removeprefix("db+"))
    try:
        with engine.connect() as connection:
            connection.execute(text("select 1"))
    except SQLAlchemyError as error:
        do = "mend AIRFLOW__CELERY__RESULT_BACKEND"
        return failed(f"the result backend does not answer: {error}", do=do)
    finally:
        engine.dispose()
    return ok("the database answers")


def workers() -> Finding:
    """Ask all workers for their queues: each queue of ours needs one at least."""
    if not _celery():
        return skipped(OTHERS)
    from airflow.configuration import conf
    from airflow.providers.celery.executors.celery_executor import app

    wanted = {conf.get("operators", "default_queue"), load_settings().judge_queue}
    answers = app.control.inspect(timeout=REPLY_SECONDS).active_queues() or {}
    served = {queue["name"] for queues in answers.values() for queue in queues}
    if wanted - served:
        missing = sorted(wanted - served)
        return failed(
            f"no worker of queue {', '.join(missing)}",
            do=f"airflow celery worker --queues {missing[0]}",
        )
    return ok(f"{len(answers)} workers serve {', '.join(sorted(wanted))}")


def _celery() -> bool:
    from airflow.configuration import conf

    return "CeleryExecutor" in conf.get("core", "executor")
