"""The checks of a deployment in order, and the table of their results."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ml.core.errors import (
    ModerationError,
    PolicyError,
    SettingsError,
    StorageForbidden,
    StorageUnavailable,
)
from ml.core.settings import Settings, load_settings
from ml.operations.doctor import bucket_checks, database_checks, machine_checks, model_checks
from ml.operations.doctor.check import (
    Check,
    CheckStatus,
    Deployment,
    Outcome,
    Remedies,
    failed,
    ok,
    run_checks,
)
from ml.storage.connections import open_connections


def library_checks(deployment: Deployment, *, predict_url: str | None = None) -> list[Check]:
    """All checks that need no Airflow; without a URL, `/predict` is skipped."""
    on = partial(partial, deployment=deployment)
    return [
        Check("disk", on(machine_checks.check_disk)),
        Check("device", on(model_checks.check_device), remedies=_DEVICE),
        Check("policy", on(model_checks.check_policy), remedies=_POLICY),
        Check("database", on(database_checks.check_database), remedies=_DATABASE),
        Check("database clock", on(machine_checks.check_database_clock), needs=("database",)),
        Check(
            "migrations",
            on(database_checks.check_migrations),
            needs=("database",),
            remedies=_MIGRATIONS,
        ),
        Check("own schema", on(database_checks.check_own_schema), needs=("migrations",)),
        Check("commerce table", on(database_checks.check_commerce_table), needs=("database",)),
        Check("least rights", on(database_checks.check_least_privilege), needs=("database",)),
        *storage_checks(deployment),
        Check("champion", on(model_checks.check_champion), needs=("own schema", "model bucket")),
        Check(
            "champion's classes",
            on(model_checks.check_champion_classes),
            needs=("champion", "policy"),
            remedies={PolicyError: "restore the policy, or promote a model trained for it"},
        ),
        Check(
            "signals",
            on(model_checks.check_signals),
            needs=("policy", "model bucket"),
            remedies={PolicyError: "install it, or correct the policy (docs/signals.md)"},
        ),
        Check("teacher", on(model_checks.check_teacher), needs=("policy",)),
        Check("/predict", partial(model_checks.check_predict, predict_url)),
    ]


def storage_checks(deployment: Deployment) -> list[Check]:
    """Those of the object storage: its clock, the credentials, both buckets."""
    on, signed = partial(partial, deployment=deployment), ("credentials",)
    return [
        Check("bucket clock", on(machine_checks.check_bucket_clock)),
        Check("credentials", on(bucket_checks.check_credentials)),
        Check("photo bucket", on(bucket_checks.check_photo_bucket), needs=signed),
        Check("model bucket", on(bucket_checks.check_model_bucket), needs=signed),
    ]


_DEVICE: Remedies = {
    SettingsError: "see `nvidia-smi`; in a container, reserve the GPU and use the CUDA image",
    # torch raises nothing more specific for a broken driver
    RuntimeError: "see `nvidia-smi`: driver and CUDA build do not match",
}
_POLICY: Remedies = {PolicyError: "fix what the message names, or restore config/policy.yaml"}
_DATABASE: Remedies = {
    StorageForbidden: "fix user and password in MODERATION_DATABASE_URL, or let the user log in "
    "(pg_hba.conf)",
    StorageUnavailable: "start PostgreSQL, or fix host, port and database name in "
    "MODERATION_DATABASE_URL",
}
_MIGRATIONS: Remedies = {
    StorageForbidden: "GRANT USAGE ON SCHEMA moderation, and SELECT on its tables",
    StorageUnavailable: "see the check `database`",
    ModerationError: "run `python -m ml migrate`",
}


def library_findings(
    *, predict_url: str | None = None, load: Callable[[], Settings] = load_settings
) -> Iterator[Outcome]:
    """The check `settings` and, if it passed, all others that need no Airflow.

    `load` returns the settings, in Airflow with the credentials of its connections.
    """
    try:
        settings = load()
        connections = open_connections(settings)
    except ModerationError as error:
        remedy = "fix .env, the environment or the connection (docs/settings.md)"
        yield "settings", failed(f"{type(error).__name__}: {error}", remedy=remedy)
        return
    except ValueError as error:  # what boto3 raises for a bad address
        yield "settings", failed(error, remedy="fix MODERATION_S3_ENDPOINT_URL")
        return
    with closing(connections):
        servers = "embedded" if settings.embedded else "of the settings"
        yield "settings", ok(f"valid; database {servers}")
        deployment = Deployment(settings, connections)
        yield from run_checks(library_checks(deployment, predict_url=predict_url))


_MARKS = {
    CheckStatus.OK: "[green]ok[/green]",
    CheckStatus.FAILED: "[red]FAILED[/red]",
    CheckStatus.SKIPPED: "–",
}


def show(findings: Iterable[Outcome], console: Console) -> bool:
    """Print the findings; returns whether none has failed."""
    table = Table("check", "", "found", "what to do", title="Doctor")
    all_passed = True
    with console.status("checking"):
        for name, found in findings:
            all_passed = all_passed and found.state is not CheckStatus.FAILED
            table.add_row(name, _MARKS[found.state], escape(found.message), escape(found.remedy))
    console.print(table)
    return all_passed
