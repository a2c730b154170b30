"""Is there a model that judges, and is it whole?"""

import tempfile
from pathlib import Path

from ml.doctor.deployment import Deployment
from ml.doctor.finding import Finding, failed, ok
from ml.errors import ModelError, ModelHashMismatch, NoChampion, ObjectAbsent
from ml.model import registry
from ml.storage.database import in_transaction

ANOTHER = (
    "put the version's files back from a backup of the bucket, or "
    "`python -m ml rollback previous --reason ...`"
)


def champion(deployment: Deployment) -> Finding:
    """Fetch the champion from the bucket, past this machine's cache, and compare its hashes."""
    connections = deployment.connections
    try:
        model_hash = in_transaction(connections.engine, registry.champion_hash)
    except NoChampion as error:
        return failed(error, do="train and promote a model, or promote one that is registered")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            fetched = registry.fetch(model_hash, store=connections.models, cache=Path(scratch))
        except ModelHashMismatch as error:
            return failed(f"the champion is damaged: {error}", do=ANOTHER)
        except (ModelError, ObjectAbsent) as error:
            return failed(f"the champion cannot be loaded: {error}", do=ANOTHER)
    card = fetched.card
    return ok(f"{model_hash[:12]}, {card.preset}, classes {', '.join(card.classes)}")
