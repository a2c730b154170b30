"""Settings whose secrets Airflow hides, should one ever come into a task's log."""

from urllib.parse import unquote, urlsplit

from airflow.sdk.log import mask_secret
from pydantic import SecretStr

from ml.settings import Settings, load_settings


def masked_settings() -> Settings:
    """Read the settings as `ml.settings.load_settings` does, and name their secrets to Airflow."""
    settings = load_settings()
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            _mask(value.get_secret_value())
    return settings


def _mask(secret: str) -> None:
    mask_secret(secret)
    address = urlsplit(secret)
    if address.hostname and address.password:
        mask_secret(unquote(address.password))
