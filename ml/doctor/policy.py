"""Is the policy valid, and made for the model that judges?"""

from sqlalchemy import select

from ml.audit.preflight import check_classes
from ml.doctor.deployment import Deployment
from ml.doctor.finding import Finding, failed, ok
from ml.errors import PolicyError
from ml.model.card import ModelCard
from ml.policy.policy import load_policy
from ml.storage.database import in_transaction
from ml.storage.schema import champion, model_version

_CARD = select(model_version.c.card).join(
    champion, champion.c.model_hash == model_version.c.model_hash
)


def policy(deployment: Deployment) -> Finding:
    """Read the policy file."""
    file = deployment.settings.policy_file
    try:
        found = load_policy(file)
    except PolicyError as error:
        return failed(error, do="put right what is named, or restore config/policy.yaml")
    return ok(f"{file.name}, version {found.version[:12]}")


def classes(deployment: Deployment) -> Finding:
    """Compare the policy's classes with the champion's."""
    found = load_policy(deployment.settings.policy_file)
    engine = deployment.connections.engine
    card = in_transaction(engine, lambda c: c.execute(_CARD).scalar_one())
    try:
        check_classes(ModelCard.model_validate(card), found)
    except PolicyError as error:
        return failed(error, do="restore the policy, or promote a model trained for it")
    return ok(", ".join(found.classes))
