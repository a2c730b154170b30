"""The library's checks, in the order in which one rests on the other."""

from functools import partial

from ml.doctor.buckets import model_bucket, photo_bucket
from ml.doctor.champion import champion
from ml.doctor.clock import bucket_clock, database_clock
from ml.doctor.commerce_table import commerce_table
from ml.doctor.database import database
from ml.doctor.deployment import Deployment
from ml.doctor.device import device
from ml.doctor.disk import disk
from ml.doctor.examine import Check
from ml.doctor.least_rights import least_rights
from ml.doctor.migrations import migrations
from ml.doctor.own_schema import own_schema
from ml.doctor.policy import classes, policy
from ml.doctor.predict import predict


def library_checks(deployment: Deployment, *, predict_url: str | None = None) -> list[Check]:
    """All that can be asked without Airflow.

    Args:
        deployment: what is examined.
        predict_url: where `/predict` answers; None leaves it out.
    """
    on = partial(partial, deployment=deployment)
    return [
        Check("disk", on(disk)),
        Check("device", on(device)),
        Check("policy", on(policy)),
        Check("database", on(database)),
        Check("database clock", on(database_clock), needs=("database",)),
        Check(
            "migrations",
            on(migrations),
            needs=("database",),
            remedy="run `python -m ml migrate`",
        ),
        Check("own schema", on(own_schema), needs=("migrations",)),
        Check("commerce table", on(commerce_table), needs=("database",)),
        Check("least rights", on(least_rights), needs=("database",)),
        Check("bucket clock", on(bucket_clock)),
        Check("photo bucket", on(photo_bucket)),
        Check("model bucket", on(model_bucket)),
        Check("champion", on(champion), needs=("own schema", "model bucket")),
        Check("champion's classes", on(classes), needs=("champion", "policy")),
        Check("/predict", partial(predict, predict_url)),
    ]
