"""Settings: environment variables `MODERATION_*`, then a `.env` file at the repository's root.

Secrets may also come as files named like the variable in the folder `MODERATION_SECRETS_DIR`. An
unknown `MODERATION_*` variable or an impossible value stops the start with the remedy.
"""

import base64
import os
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from ml.errors import SettingsError

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "MODERATION_"
WEBHOOK_SECRET = "whsec_"  # noqa: S105 - what each secret begins with
MOST_LOOKBACK_DAYS = 90

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]


class CommerceNames(BaseModel):
    """How the shop's own table, columns and status values are called."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table_schema: Identifier = "commerce"
    table: Identifier = "review_image"
    image_id: Identifier = "image_id"
    review_id: Identifier = "review_id"
    product_id: Identifier = "product_id"
    object_key: Identifier = "object_key"
    uploaded_at: Identifier = "uploaded_at"
    moderation_status: Identifier = "moderation_status"
    moderated_at: Identifier = "moderated_at"
    status_pending: str = "pending"
    status_pass: str = "pass"  # noqa: S105 - a status, not a password
    status_review: str = "review"
    status_block: str = "block"

    @model_validator(mode="after")
    def _statuses_differ(self) -> "CommerceNames":
        statuses = (self.status_pending, self.status_pass, self.status_review, self.status_block)
        if len(set(statuses)) != len(statuses):
            raise ValueError("the four status values must differ from each other")
        return self


class Settings(BaseSettings):
    """All that differs between two places this pipeline runs in."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        # The `.env` file is compose's, too: lines without our prefix are not ours to judge.
        dotenv_filtering="match_prefix",
    )

    # Where the photos and the verdicts are. Left empty: embedded servers under data_dir.
    database_url: SecretStr | None = None
    s3_endpoint_url: str | None = None
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_region: str = "us-east-1"
    photo_bucket: str = Field("review-photos", min_length=3)
    # Keys of the photos. May hold strftime codes (reviews/%Y/%m/%d/): then only the days of the
    # window and of the look-back are listed, in `timezone`.
    photo_prefix: str = "reviews/"
    model_bucket: str = Field("moderation", min_length=3)
    commerce: CommerceNames = CommerceNames()

    data_dir: Path = ROOT / ".data"
    policy_file: Path = ROOT / "config" / "policy.yaml"

    # The night.
    schedule: str = "0 2 * * *"
    timezone: str = "Asia/Shanghai"
    lookback_days: int = Field(7, ge=0, le=MOST_LOOKBACK_DAYS)
    shard_images: int = Field(5000, ge=1, le=1_000_000)
    judge_queue: str = "default"
    judge_pool: str = "gpu"
    judge_pod_template: FilePath | None = None
    retry_seconds: int = Field(60, ge=1, le=3600)  # before a task's first retry; then doubling

    # The month.
    retrain_schedule: str = "0 4 1 * *"
    retrain_preset: str = "monthly"
    # Airflow users who may answer `approve`. Empty: whoever may edit the DAG's answers.
    model_owners: tuple[str, ...] = ()

    # The clean-up by the policy's section `retention`.
    retention_schedule: str = "30 7 * * 0"

    # The machine.
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    batch_images: int = Field(32, ge=1, le=4096)
    fetch_threads: int = Field(16, ge=1, le=256)
    decode_threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=256)

    # What a photo may be.
    max_image_bytes: int = Field(20 * 2**20, ge=1024)
    max_image_pixels: int = Field(100_000_000, ge=1024)
    min_image_side: int = Field(32, ge=1)

    # Alerts go to a webhook; without one they are only kept. The URL may hold a token: a secret.
    alert_webhook_url: SecretStr | None = None
    alert_webhook_secret: SecretStr | None = None
    watch_schedule: str = "*/15 * * * *"

    # Our metrics go to a StatsD server; none without a host.
    statsd_host: str | None = Field(None, min_length=1)
    statsd_port: int = Field(8125, ge=1, le=65535)

    # /predict. One process; its limits hold for each process on its own.
    serve_host: str = "127.0.0.1"
    serve_port: int = Field(5000, ge=1, le=65535)
    serve_poll_seconds: float = Field(5.0, ge=0.1, le=3600)  # champion, policy, keys, health
    serve_bank_seconds: float = Field(300.0, ge=0.1, le=86400)  # photos that people decided on
    serve_batch_images: int | None = Field(None, ge=1, le=4096)  # None: the night's
    serve_batch_wait_ms: float = Field(50.0, ge=0, le=10_000)
    serve_max_images: int = Field(16, ge=1, le=1000)
    serve_max_body_bytes: int = Field(64 * 2**20, ge=1024)
    serve_max_held_bytes: int = Field(512 * 2**20, ge=1024)  # of all requests together
    serve_queue_images: int = Field(128, ge=1, le=100_000)
    serve_body_seconds: float = Field(30.0, gt=0, le=3600)
    serve_answer_seconds: float = Field(30.0, gt=0, le=3600)
    serve_text_seconds: float = Field(2.0, ge=0, le=3600)
    serve_requests_per_minute: int = Field(600, ge=1, le=1_000_000)  # of a key without its own
    serve_in_flight: int = Field(16, ge=1, le=10_000)  # as above
    serve_record: bool = False

    # "auto": official ImageNet weights if they can be had, else the shipped ones; "imagenet": the
    # official ones or stop; "shipped"; "none": from scratch; anything else: a .safetensors file.
    start_weights: str = "auto"

    @model_validator(mode="after")
    def _both_or_neither(self) -> "Settings":
        s3 = (self.s3_access_key, self.s3_secret_key)
        if any(s3) != all(s3):
            raise ValueError(
                "set both MODERATION_S3_ACCESS_KEY and MODERATION_S3_SECRET_KEY, or neither"
            )
        if (self.alert_webhook_url is None) != (self.alert_webhook_secret is None):
            raise ValueError(
                "set both MODERATION_ALERT_WEBHOOK_URL and MODERATION_ALERT_WEBHOOK_SECRET, or "
                "neither"
            )
        return self

    @model_validator(mode="after")
    def _a_request_fits(self) -> "Settings":
        if self.serve_max_images > self.serve_queue_images:
            raise ValueError(
                "MODERATION_SERVE_MAX_IMAGES is over MODERATION_SERVE_QUEUE_IMAGES: a full request "
                "would never be taken; lower the one or raise the other"
            )
        if self.serve_max_body_bytes > self.serve_max_held_bytes:
            raise ValueError(
                "MODERATION_SERVE_MAX_BODY_BYTES is over MODERATION_SERVE_MAX_HELD_BYTES: a full "
                "body would never be taken; lower the one or raise the other"
            )
        return self

    @field_validator("alert_webhook_url")
    @classmethod
    def _web_address(cls, given: SecretStr | None) -> SecretStr | None:
        address = urlsplit(given.get_secret_value()) if given else None
        if address is not None and not (address.scheme in {"http", "https"} and address.hostname):
            raise ValueError("must be an http or https URL")
        return given

    @field_validator("alert_webhook_secret")
    @classmethod
    def _standard_secret(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None and not _is_webhook_secret(given.get_secret_value()):
            raise ValueError(
                "must be whsec_ and 24 to 64 random bytes in base64; make one by "
                '`echo "whsec_$(openssl rand -base64 32)"`'
            )
        return given


def _is_webhook_secret(given: str) -> bool:
    """As the Standard Webhooks specification has it (version 1.0.0, "Symmetric signatures")."""
    prefix, text = given[: len(WEBHOOK_SECRET)], given[len(WEBHOOK_SECRET) :]
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return prefix == WEBHOOK_SECRET and 24 <= len(key) <= 64  # noqa: PLR2004 - of the specification


def load_settings() -> Settings:
    """Read the settings once more from environment and files.

    Raises:
        SettingsError: an unknown variable or an impossible value; says which and how to mend it.
    """
    _refuse_unknown()
    env_file = ROOT / ".env"
    secrets_dir = os.environ.get(f"{PREFIX}SECRETS_DIR")
    if secrets_dir and not Path(secrets_dir).is_dir():
        raise SettingsError(f"{PREFIX}SECRETS_DIR={secrets_dir} is no folder: mend or unset it")
    try:
        return Settings(
            _env_file=env_file if env_file.is_file() else None,
            _secrets_dir=secrets_dir,
        )
    except ValidationError as error:
        raise SettingsError(_remedy(error)) from error


def _refuse_unknown() -> None:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    known |= {f"{PREFIX}COMMERCE__{name}".upper() for name in CommerceNames.model_fields}
    known |= {f"{PREFIX}SECRETS_DIR", f"{PREFIX}REAL_DATA"}
    unknown = sorted(v for v in os.environ if v.startswith(PREFIX) and v not in known)
    if unknown:
        raise SettingsError(
            f"unknown setting {', '.join(unknown)}: remove it or mend its spelling "
            "(docs/settings.md lists them all)"
        )


def _remedy(error: ValidationError) -> str:
    lines = ["settings cannot be used; put right:"]
    for problem in error.errors(include_input=False):
        name = "__".join(str(part) for part in problem["loc"]).upper()
        lines.append(f"- {PREFIX}{name}: {problem['msg']}" if name else f"- {problem['msg']}")
    return "\n".join(lines)
