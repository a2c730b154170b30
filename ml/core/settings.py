"""Settings: environment variables `MODERATION_*`, then a `.env` file at the repository's root.

Secrets may also be files in the folder `MODERATION_SECRETS_DIR`, named like the variable.
"""

import base64
import json
import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, FilePath, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ml.core.commerce_names import CommerceNames
from ml.core.cpu import available_cores
from ml.core.errors import SettingsError
from ml.core.s3_settings import S3Settings
from ml.core.types import ArchitectureName

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "MODERATION_"
EMBEDDED_SERVERS = "services.json"  # in data_dir; written by devtools/embedded
MAX_LOOKBACK_DAYS = 90
_RENAMED = {"S3_ADDRESSING_STYLE": "S3_ADDRESSING"}


class Settings(S3Settings, BaseSettings):
    """Everything that differs between two deployments."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # it has the secrets
        dotenv_filtering="match_prefix",  # Docker Compose reads the same `.env` file
    )

    # Development only: unset addresses are those of the servers that `make up` started.
    embedded: bool = False

    database_url: SecretStr | None = None
    # Airflow connections in place of the database and of endpoint and keys of the object storage.
    # `plugins/` resolves them when a task begins; the command line does not know them.
    database_conn_id: str | None = None
    s3_conn_id: str | None = None
    commerce: CommerceNames = CommerceNames()

    data_dir: Path = ROOT / ".data"
    policy_file: Path = ROOT / "config" / "policy.yaml"

    # Nightly run, retraining run, and purge (policy section `retention`).
    timezone: str = "Asia/Shanghai"
    schedule: str = "0 2 * * *"
    trigger_on_uploads: bool = False  # a run for each event of the asset `review_uploads`, too
    retrain_schedule: str = "0 4 1 * *"
    retention_schedule: str = "30 7 * * 0"
    retrain_preset: str = "monthly"
    # Airflow users who may answer the task `approve`. Empty: all who may edit the DAG's answers.
    approvers: tuple[str, ...] = ()
    lookback_days: int = Field(7, ge=0, le=MAX_LOOKBACK_DAYS)
    shard_size: int = Field(5000, ge=1, le=1_000_000)
    gpu_queue: str = "default"
    gpu_pool: str = "gpu"
    gpu_pod_template: FilePath | None = None
    retry_seconds: int = Field(60, ge=1, le=3600)  # before a task's first retry; doubles after each

    # Hardware.
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    batch_size: int = Field(32, ge=1, le=4096)
    # How scores are computed; auto: what is fastest on the machine that starts the run.
    inference: Literal["auto", "torch", "openvino"] = "auto"
    number_type: Literal["auto", "float32", "bfloat16", "int8"] = "auto"
    fetch_threads: int = Field(16, ge=1, le=256)
    decode_workers: int = Field(default_factory=available_cores, ge=1, le=256)
    decode_seconds: float = Field(15.0, gt=0, le=3600)  # of processor time for one photo

    # Limits of a photo.
    max_image_bytes: int = Field(20 * 2**20, ge=1024)
    max_image_pixels: int = Field(100_000_000, ge=1024)
    min_image_side: int = Field(32, ge=1)
    display_max_pixels: int = Field(40_000_000, ge=1024)  # decoded at once for the pages

    # Alerts go to a webhook; without one they are only stored. Its URL may contain a token.
    alert_webhook_url: SecretStr | None = None
    alert_webhook_secret: SecretStr | None = None
    alerts_schedule: str = "*/15 * * * *"

    statsd_host: str | None = Field(None, min_length=1)  # None: no metrics are sent there
    statsd_port: int = Field(8125, ge=1, le=65535)
    otlp_metrics: bool = False  # to the collector of the variables OTEL_EXPORTER_OTLP_...

    # /predict. The limits apply to each process.
    serve_host: str = "127.0.0.1"
    serve_port: int = Field(5000, ge=1, le=65535)
    serve_poll_seconds: float = Field(5.0, ge=0.1, le=3600)  # champion, policy, keys, health
    serve_duplicates_refresh_seconds: float = Field(300.0, ge=0.1, le=86400)  # of decided photos
    serve_batch_size: int | None = Field(None, ge=1, le=4096)  # None: `batch_size`
    serve_batch_wait_ms: float = Field(50.0, ge=0, le=10_000)
    serve_max_images: int = Field(16, ge=1, le=1000)
    serve_max_body_bytes: int = Field(64 * 2**20, ge=1024)
    serve_max_inflight_bytes: int = Field(512 * 2**20, ge=1024)  # of all requests together
    serve_queue_images: int = Field(128, ge=1, le=100_000)
    serve_upload_timeout_seconds: float = Field(30.0, gt=0, le=3600)
    serve_request_timeout_seconds: float = Field(30.0, gt=0, le=3600)
    serve_ocr_budget_seconds: float = Field(2.0, ge=0, le=3600)
    # Limits of a key without its own.
    serve_requests_per_minute: int = Field(600, ge=1, le=1_000_000)
    serve_in_flight: int = Field(16, ge=1, le=10_000)
    serve_record_verdicts: bool = False

    architecture: ArchitectureName = "resnet18"  # of the networks that are trained
    # "auto": the ImageNet weights if they are available, else the bundled ones; "imagenet": the
    # former or an error; "bundled"; "none": random initialization; any other value: a path of a
    # .safetensors file.
    pretrained_weights: str = "auto"

    @field_validator("database_conn_id", "s3_conn_id", mode="before")
    @classmethod
    def _take_no_name_as_unset(cls, value: object) -> object:
        return value or None

    @model_validator(mode="after")
    def _check_connections(self) -> "Settings":
        """One source each: a message could not say which of two counts."""
        if self.database_conn_id and self.database_url:
            raise ValueError(f"{PREFIX}DATABASE_CONN_ID and {PREFIX}DATABASE_URL: unset one")
        names = ("endpoint_url", "access_key", "secret_key", "session_token")
        plain = [name for name in names if getattr(self, f"s3_{name}") is not None]
        if self.s3_conn_id and plain:
            named = ", ".join(f"{PREFIX}S3_{name.upper()}" for name in plain)
            raise ValueError(f"{PREFIX}S3_CONN_ID and {named} are set: unset one of them")
        return self

    @model_validator(mode="after")
    def _check_combinations(self) -> "Settings":
        if (self.alert_webhook_url is None) != (self.alert_webhook_secret is None):
            raise ValueError(
                f"set both {PREFIX}ALERT_WEBHOOK_URL and {PREFIX}ALERT_WEBHOOK_SECRET, or neither"
            )
        if self.inference == "torch" and self.number_type == "int8":
            raise ValueError(
                f"{PREFIX}NUMBER_TYPE=int8 needs {PREFIX}INFERENCE=openvino: torch has no int8 here"
            )
        for name, whole in (
            ("serve_max_images", "serve_queue_images"),
            ("serve_max_body_bytes", "serve_max_inflight_bytes"),
        ):
            if getattr(self, name) > getattr(self, whole):
                raise ValueError(
                    f"{PREFIX}{name.upper()} is over {PREFIX}{whole.upper()}: the largest request "
                    "would always be rejected; lower the former or raise the latter"
                )
        return self

    @field_validator("alert_webhook_url")
    @classmethod
    def _check_url(cls, url: SecretStr | None) -> SecretStr | None:
        address = urlsplit(url.get_secret_value()) if url else None
        if address is not None and not (address.scheme in {"http", "https"} and address.hostname):
            raise ValueError("must be an http or https URL")
        return url

    @field_validator("alert_webhook_secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not _is_webhook_secret(secret.get_secret_value()):
            raise ValueError(
                "must be whsec_ and 24 to 64 random bytes in base64; make one by "
                '`echo "whsec_$(openssl rand -base64 32)"`'
            )
        return secret


def _is_webhook_secret(secret: str) -> bool:
    """Whether it follows the Standard Webhooks specification 1.0.0, "Symmetric signatures"."""
    prefix, encoded = secret[:6], secret[6:]
    try:
        size = len(base64.b64decode(encoded, validate=True))
    except ValueError:
        return False
    return prefix == "whsec_" and 24 <= size <= 64  # noqa: PLR2004 - the specification's bounds


def load_settings() -> Settings:
    """Read the settings from the environment and files; nothing is cached.

    Raises `SettingsError` for an unknown variable or an invalid value, with its name and the fix.
    """
    _reject_unknown()
    secrets_dir = os.environ.get(f"{PREFIX}SECRETS_DIR")
    if secrets_dir and not Path(secrets_dir).is_dir():
        raise SettingsError(f"{PREFIX}SECRETS_DIR={secrets_dir} is no folder: fix or unset it")
    try:
        settings = Settings(_env_file=ROOT / ".env", _secrets_dir=secrets_dir)
    except ValidationError as error:
        problems = format_problems(error)
        raise SettingsError(f"settings are not valid; fix:\n{problems}") from error
    return with_embedded_servers(settings)


def with_embedded_servers(settings: Settings) -> Settings:
    """Fill unset addresses with those of the embedded servers if these run."""
    path = settings.data_dir / EMBEDDED_SERVERS
    if not settings.embedded or not path.is_file():
        return settings
    servers: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    update: dict[str, object] = {}
    if settings.database_url is None and settings.database_conn_id is None:
        update["database_url"] = SecretStr(servers["database_url"])
    if settings.s3_endpoint_url is None and not _names_credentials(settings):
        update |= {name: SecretStr(servers[name]) for name in ("s3_access_key", "s3_secret_key")}
        update["s3_endpoint_url"] = servers["s3_endpoint_url"]
    return settings.model_copy(update=update)


def _names_credentials(settings: Settings) -> bool:
    named = (settings.s3_access_key, settings.s3_credentials, settings.s3_conn_id)
    return any(value is not None for value in named)


def missing_database(settings: Settings) -> str:
    """Error message: no database is configured, and which settings to set."""
    if settings.database_conn_id is not None:
        return (
            f"{PREFIX}DATABASE_CONN_ID={settings.database_conn_id} is an Airflow connection, which "
            f"only Airflow's processes resolve: here, set {PREFIX}DATABASE_URL in its place, and "
            f"{PREFIX}S3_ENDPOINT_URL, {PREFIX}S3_ACCESS_KEY, {PREFIX}S3_SECRET_KEY in place of "
            f"{PREFIX}S3_CONN_ID"
        )
    if settings.embedded:
        return f"no embedded servers run under {settings.data_dir}: start them with `make up`"
    return (
        "settings are missing:\n"
        f"- {PREFIX}DATABASE_URL: postgresql+psycopg://user:password@host:port/database\n"
        f"- {PREFIX}S3_ENDPOINT_URL, {PREFIX}S3_ACCESS_KEY, {PREFIX}S3_SECRET_KEY: the object "
        f"storage (AWS with a role: {PREFIX}S3_CREDENTIALS=chain in their place)\n"
        f"- or, in Airflow, {PREFIX}DATABASE_CONN_ID and {PREFIX}S3_CONN_ID: its connections\n"
        "Set them in the environment or in .env (docs/settings.md). On a machine where `make up` "
        f"runs, {PREFIX}EMBEDDED=true uses its servers."
    )


def _reject_unknown() -> None:
    names = [*Settings.model_fields, "SECRETS_DIR", "REAL_DATA"]
    names += [f"COMMERCE__{name}" for name in CommerceNames.model_fields]
    known = {f"{PREFIX}{name}".upper() for name in names}
    unknown = sorted(v for v in os.environ if v.startswith(PREFIX) and v not in known)
    for old, new in _RENAMED.items():
        if f"{PREFIX}{old}" in unknown:
            raise SettingsError(f"{PREFIX}{old} is {PREFIX}{new} now: rename it")
    if unknown:
        raise SettingsError(
            f"unknown setting {', '.join(unknown)}: remove it or fix its spelling "
            "(docs/settings.md lists them all)"
        )


def format_problems(error: ValidationError) -> str:
    """The problems of settings, a line each, with the variable's name and without its value."""
    lines = []
    for problem in error.errors(include_input=False):
        name = "__".join(map(str, problem["loc"])).upper().removeprefix(PREFIX)
        if name in _RENAMED:
            lines.append(f"- {PREFIX}{name} is {PREFIX}{_RENAMED[name]} now: rename it")
            continue
        lines.append(f"- {PREFIX}{name}: {problem['msg']}" if name else f"- {problem['msg']}")
    return "\n".join(lines)
