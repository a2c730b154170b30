"""A shop with installed signals that tell how bright a photo is."""

from dataclasses import replace
from pathlib import Path

import yaml

from ml.models.signals.registry import install
from tests.support.policies import write_policy
from tests.support.servers import Shop
from tests.support.signal_models import make_card, policy_of

NO_AUDIT: dict[str, float] = {}


def with_signals(
    shop: Shop,
    folder: Path,
    *,
    spot_check: dict[str, float] = NO_AUDIT,
    **signals: dict[str, object],
) -> Shop:
    """The shop under its policy, with these signals added to its screens."""
    raw = yaml.safe_load(shop.settings.policy_file.read_text(encoding="utf-8"))
    screens = {**raw["screens"], "signals": signals}
    path = write_policy(folder / "signals", raw, screens=screens, spot_check=spot_check)
    return replace(shop, settings=shop.settings.model_copy(update={"policy_file": path}))


def install_signal(shop: Shop, data: bytes, *classes: str, **raises: float) -> dict[str, object]:
    """Install a model; returns its section of a policy, which raises outputs from thresholds on."""
    card = make_card(data, *classes)
    install(data, card, store=shop.connections.models)
    return policy_of(card, **raises)
