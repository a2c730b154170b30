"""Run the checks in order and print their results."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial

import stamina
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ml.core.errors import ModerationError
from ml.core.settings import load_settings
from ml.operations.doctor.database_checks import (
    check_commerce_table,
    check_database,
    check_least_privilege,
    check_migrations,
    check_own_schema,
)
from ml.operations.doctor.machine_checks import (
    check_bucket_clock,
    check_database_clock,
    check_disk,
    check_model_bucket,
    check_photo_bucket,
)
from ml.operations.doctor.model_checks import (
    check_champion,
    check_champion_classes,
    check_device,
    check_policy,
    check_predict,
)
from ml.operations.doctor.result import CheckStatus, Deployment, Finding, failed, ok, skipped
from ml.storage.connections import open_connections


@dataclass(frozen=True)
class Check:
    """One check of the deployment.

    Attributes:
        name: as the table shows it.
        run: performs the check; a `ModerationError` that it raises is a failure, too.
        needs: names of checks that must have passed before.
        remedy: what to do about an error that `run` raises.
    """

    name: str
    run: Callable[[], Finding]
    needs: tuple[str, ...] = ()
    remedy: str = "do what the message says"


@dataclass(frozen=True)
class CheckOutcome:
    """A check's name and its finding."""

    name: str
    finding: Finding


def run_checks(checks: Sequence[Check]) -> Iterator[CheckOutcome]:
    """Yield the finding of each check, in order, as soon as it is known."""
    not_passed: set[str] = set()
    for check in checks:
        missing = [name for name in check.needs if name in not_passed]
        finding = skipped(f"needs {', '.join(missing)}") if missing else _run_check(check)
        if finding.state is not CheckStatus.OK:
            not_passed.add(check.name)
        yield CheckOutcome(check.name, finding)


def _run_check(check: Check) -> Finding:
    try:
        with _without_retries():
            return check.run()
    except ModerationError as error:
        return failed(f"{type(error).__name__}: {error}", remedy=check.remedy)
    except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
        message = f"unexpected {type(error).__name__}: {error}"
        return failed(message, remedy="look at the message; the other checks still count")


@contextmanager
def _without_retries() -> Iterator[None]:
    """Switch off the retries of a nightly run: the operator wants to see the first failure."""
    before = stamina.is_active()
    stamina.set_active(False)
    try:
        yield
    finally:
        stamina.set_active(before)


def library_checks(deployment: Deployment, *, predict_url: str | None = None) -> list[Check]:
    """All checks that need no Airflow.

    Args:
        deployment: what is checked.
        predict_url: where `/predict` answers; None leaves it out.
    """
    on = partial(partial, deployment=deployment)
    return [
        Check("disk", on(check_disk)),
        Check("device", on(check_device)),
        Check("policy", on(check_policy)),
        Check("database", on(check_database)),
        Check("database clock", on(check_database_clock), needs=("database",)),
        Check(
            "migrations",
            on(check_migrations),
            needs=("database",),
            remedy="run `python -m ml migrate`",
        ),
        Check("own schema", on(check_own_schema), needs=("migrations",)),
        Check("commerce table", on(check_commerce_table), needs=("database",)),
        Check("least rights", on(check_least_privilege), needs=("database",)),
        Check("bucket clock", on(check_bucket_clock)),
        Check("photo bucket", on(check_photo_bucket)),
        Check("model bucket", on(check_model_bucket)),
        Check("champion", on(check_champion), needs=("own schema", "model bucket")),
        Check("champion's classes", on(check_champion_classes), needs=("champion", "policy")),
        Check("/predict", partial(check_predict, predict_url)),
    ]


SETTINGS_CHECK = "settings"


def library_findings(*, predict_url: str | None = None) -> Iterator[CheckOutcome]:
    """The check `settings` and, if it passed, all others that need no Airflow."""
    with _open_deployment() as (first, deployment):
        yield first
        if deployment is not None:
            yield from run_checks(library_checks(deployment, predict_url=predict_url))


@contextmanager
def _open_deployment() -> Iterator[tuple[CheckOutcome, Deployment | None]]:
    """The check `settings`, and the deployment; None where it cannot be opened."""
    try:
        settings = load_settings()
        connections = open_connections(settings)
    except ModerationError as error:
        remedy = "fix .env or the environment (docs/settings.md)"
        yield (
            CheckOutcome(SETTINGS_CHECK, failed(f"{type(error).__name__}: {error}", remedy=remedy)),
            None,
        )
        return
    except ValueError as error:  # what boto3 raises for a bad address
        remedy = "fix MODERATION_S3_ENDPOINT_URL"
        yield CheckOutcome(SETTINGS_CHECK, failed(error, remedy=remedy)), None
        return
    with closing(connections):
        servers = "embedded" if settings.embedded else "of the settings"
        yield (
            CheckOutcome(SETTINGS_CHECK, ok(f"valid; database {servers}")),
            Deployment(settings, connections),
        )


_MARKS = {
    CheckStatus.OK: "[green]ok[/green]",
    CheckStatus.FAILED: "[red]FAILED[/red]",
    CheckStatus.SKIPPED: "–",
}


def show(findings: Iterable[CheckOutcome], console: Console) -> bool:
    """Print the findings; returns whether none has failed."""
    table = Table("check", "", "found", "what to do", title="Doctor")
    all_passed = True
    with console.status("checking"):
        for outcome in findings:
            finding = outcome.finding
            all_passed = all_passed and finding.state is not CheckStatus.FAILED
            table.add_row(
                outcome.name,
                _MARKS[finding.state],
                escape(finding.message),
                escape(finding.remedy),
            )
    console.print(table)
    return all_passed
