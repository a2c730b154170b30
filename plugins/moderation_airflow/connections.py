"""Settings with the credentials of the Airflow connections that they name, resolved when asked.

Airflow resolves a connection by its secrets back ends and masks its secrets in logs. Each task asks
again, so a rotated secret counts from the next task on. DAG files ask for none while they are
parsed. What is not part of a connection (buckets, encryption) stays in the environment.
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr, ValidationError

from ml.core.errors import ConnectionUnavailable, SettingsError
from ml.core.s3_settings import S3Settings
from ml.core.settings import Settings, format_problems, load_settings

_DATABASE_TYPES = ("postgres", "postgresql", "generic")
_S3_TYPES = ("aws", "generic")
_DRIVER = "postgresql+psycopg"
# Of Airflow's PostgreSQL hook; without `iam` they say nothing about how to connect.
_HOOK_EXTRAS = frozenset({
    "aws_conn_id", "azure_conn_id", "cluster-identifier", "cursor", "iam", "log_sql", "redshift",
    "redshift-serverless", "sqlalchemy_query", "sqlalchemy_scheme", "workgroup-name",
})  # fmt: skip
# Keys of the extra field, as Airflow's `aws` connection names them, and the setting of each.
_S3_EXTRAS = {
    "aws_access_key_id": "s3_access_key",
    "aws_secret_access_key": "s3_secret_key",
    "aws_session_token": "s3_session_token",
    "endpoint_url": "s3_endpoint_url",
    "region_name": "s3_region",
    "addressing_style": "s3_addressing",
    "signature_version": "s3_signature",
}
_SIGNATURES = {"s3v4": "v4", "s3": "v2"}  # botocore's names
_NESTED_EXTRAS = ("service_config", "config_kwargs")
# Airflow's Amazon provider would call AWS with these itself; boto3 can do so by a profile.
_ROLE_EXTRAS = ("role_arn", "assume_role_method", "profile_name", "session_kwargs")


class AirflowConnection(Protocol):
    """What is read of Airflow's connection, of the Task SDK or of the metadata database."""

    conn_type: str | None
    host: str | None
    login: str | None
    password: str | None
    schema: str | None
    port: int | None
    extra: str | None


def task_settings() -> Settings:
    """The settings, with database and object storage of the connections that they name.

    Raises:
        SettingsError: a connection is not usable; says what is missing.
        ConnectionUnavailable: Airflow returns none; may pass, since a secrets back end that does
            not answer looks the same.
    """
    settings = resolve_connections(load_settings())
    mask_secrets(settings)
    return settings


def mask_secrets(settings: Settings) -> None:
    """Register the secrets of the settings with Airflow's log masking."""
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            _mask(value.get_secret_value())


def connection_names(settings: Settings) -> str:
    """The connections that hold credentials, for a message; empty without any."""
    names = [n for n in (settings.database_conn_id, settings.s3_conn_id) if n is not None]
    return f"the credentials are those of Airflow connections: {', '.join(names)}" if names else ""


def _mask(secret: str) -> None:
    from airflow._shared.secrets_masker import mask_secret as mask_in_server
    from airflow.sdk.log import mask_secret

    url = urlsplit(secret)
    password = unquote(url.password) if url.hostname and url.password else None
    # Tasks and Airflow's own processes have a masker each.
    for mask in (mask_secret, mask_in_server):
        mask(secret)
        if password:
            mask(password)


def resolve_connections(settings: Settings) -> Settings:
    """Fill in what the named connections say; the names stay. Raises as `task_settings`."""
    update: dict[str, Any] = {}
    if settings.database_conn_id is not None:
        connection = _find(settings.database_conn_id, "MODERATION_DATABASE_CONN_ID")
        url = _database_url(connection, settings.database_conn_id)
        update["database_url"] = SecretStr(url)
    if settings.s3_conn_id is not None:
        connection = _find(settings.s3_conn_id, "MODERATION_S3_CONN_ID")
        update |= _s3_settings(connection, settings)
    return settings.model_copy(update=update) if update else settings


def _find(conn_id: str, setting: str) -> AirflowConnection:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection: AirflowConnection = BaseHook.get_connection(conn_id)
    except PermissionError as error:  # AirflowSecretsBackendAccessDenied, where there is one
        raise SettingsError(
            f"Airflow denies this process the connection {conn_id}: allow it, or correct {setting}"
        ) from error
    except AirflowNotFoundException as error:
        raise ConnectionUnavailable(
            f"Airflow has no connection {conn_id}, or its secrets back end does not answer: create "
            f"it (docs/deployment.md, Airflow connections), or correct {setting}"
        ) from error
    return connection


def _database_url(connection: AirflowConnection, conn_id: str) -> str:
    from sqlalchemy import URL

    _check_type(connection, conn_id, _DATABASE_TYPES)
    missing = [name for name in ("host", "login", "schema") if not getattr(connection, name)]
    if missing:
        raise SettingsError(
            f"the Airflow connection {conn_id} lacks {', '.join(missing)}: the server, the user "
            "and (schema) the database"
        )
    url = URL.create(
        _DRIVER,
        username=connection.login,
        password=connection.password or None,
        host=connection.host,
        port=connection.port,
        database=connection.schema,
        query=_libpq_options(connection, conn_id),
    )
    return url.render_as_string(hide_password=False)


def _libpq_options(connection: AirflowConnection, conn_id: str) -> dict[str, str]:
    from psycopg import pq

    extra = _extra(connection, conn_id)
    if extra.get("iam"):
        raise SettingsError(
            f"the Airflow connection {conn_id} logs in by IAM tokens, which are not supported: "
            "make a connection of its own with a password"
        )
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    options = {name: str(value) for name, value in extra.items() if name in known}
    if unknown := sorted(extra.keys() - options.keys() - _HOOK_EXTRAS):
        raise SettingsError(
            f"the Airflow connection {conn_id} has the extra {', '.join(unknown)}, which "
            "PostgreSQL's client does not know: remove it"
        )
    return options


def _s3_settings(connection: AirflowConnection, settings: Settings) -> dict[str, Any]:
    """The fields of `S3Settings`, validated together with those of the environment."""
    conn_id = str(settings.s3_conn_id)
    _check_type(connection, conn_id, _S3_TYPES)
    extra = _extra(connection, conn_id)
    if roles := [name for name in _ROLE_EXTRAS if extra.get(name)]:
        raise SettingsError(
            f"the Airflow connection {conn_id} has the extra {', '.join(roles)}: for roles and "
            "profiles unset MODERATION_S3_CONN_ID and set MODERATION_S3_CREDENTIALS=chain"
        )
    known = {*_S3_EXTRAS, *_NESTED_EXTRAS, *_ROLE_EXTRAS}
    if unknown := sorted(extra.keys() - known):
        hint = "; for `verify` set AWS_CA_BUNDLE" if "verify" in unknown else ""
        raise SettingsError(
            f"the Airflow connection {conn_id} has the extra {', '.join(unknown)}, which is not "
            f"read here: remove it or fix its spelling (docs/deployment.md){hint}"
        )
    own: dict[str, Any] = {"s3_access_key": connection.login, "s3_secret_key": connection.password}
    own["s3_endpoint_url"] = _endpoint(connection)
    own |= {field: extra[name] for name, field in _S3_EXTRAS.items() if extra.get(name)}
    own |= _nested_extras(extra, conn_id)
    own["s3_signature"] = _SIGNATURES.get(str(own.get("s3_signature")), own.get("s3_signature"))
    others = {name: getattr(settings, name) for name in S3Settings.model_fields}
    try:
        found = S3Settings.model_validate(others | {k: v for k, v in own.items() if v})
    except ValidationError as error:
        problems = format_problems(error)
        message = f"the Airflow connection {conn_id} and the settings are not valid:\n{problems}"
        raise SettingsError(message) from None  # the cause has the secrets
    return {name: getattr(found, name) for name in S3Settings.model_fields}


def _nested_extras(extra: Mapping[str, Any], conn_id: str) -> dict[str, Any]:
    """Where Airflow's Amazon provider has the endpoint of one service and botocore's options."""
    of_service = _object(_object(extra.get("service_config"), conn_id).get("s3"), conn_id)
    options = _object(extra.get("config_kwargs"), conn_id)
    found = {
        "s3_endpoint_url": of_service.get("endpoint_url"),
        "s3_addressing": _object(options.get("s3"), conn_id).get("addressing_style"),
        "s3_signature": options.get("signature_version"),
    }
    return {name: value for name, value in found.items() if value}


def _endpoint(connection: AirflowConnection) -> str | None:
    """The server as host and port of the connection name it, with or without a scheme."""
    if not connection.host:
        return None
    has_scheme = "://" in connection.host
    base = connection.host if has_scheme else f"{connection.schema or 'https'}://{connection.host}"
    return f"{base.rstrip('/')}:{connection.port}" if connection.port else base


def _check_type(connection: AirflowConnection, conn_id: str, types: tuple[str, ...]) -> None:
    if connection.conn_type not in types:
        raise SettingsError(
            f"the Airflow connection {conn_id} is of type {connection.conn_type}: it must be "
            f"{' or '.join(types)}"
        )


def _extra(connection: AirflowConnection, conn_id: str) -> dict[str, Any]:
    return _object(connection.extra, conn_id)


def _object(value: object, conn_id: str) -> dict[str, Any]:
    """A JSON object, or the text of one: extras of a connection's URI are texts."""
    try:
        found = json.loads(value) if isinstance(value, str) and value else value or {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SettingsError(f"the extra of the Airflow connection {conn_id} must be a JSON object")
    return found
