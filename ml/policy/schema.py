"""The policy file: classes, thresholds, actions and prices, validated when it is loaded."""

import hashlib
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from ml.core.errors import PolicyError
from ml.core.yaml_file import StrictModel, load_model
from ml.policy.operations import ActiveLearning, Alerts, Retention, Reviewing, SpotCheck
from ml.policy.retraining import Retraining
from ml.policy.screens import Screens

Yuan = Annotated[float, Field(ge=0.0, le=1e6)]
_DISPLAY_FIELDS = {"title", "guidance", "blur", "priority"}  # of a class; affect no verdict


class Action(StrEnum):
    """What happens to photos of a violation class."""

    REVIEW = "review"
    BLOCK = "block"


class Title(StrictModel):
    """Display name of a class in both languages."""

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)


class Text(StrictModel):
    """A text for reviewers in both languages."""

    en: str = Field(max_length=2000)
    zh: str = Field(max_length=2000)


class PolicyClass(StrictModel):
    """One class of the model.

    `guidance` is the help text for reviewers. `blur` blurs photos that are likely of this class
    until the reviewer reveals them. `block_confidence` is the minimum probability of this class at
    which a photo is blocked without a review. `priority` moves photos of a violation class up in
    the queue; see `Policy.priority_weights`.
    """

    violation: bool
    title: Title
    guidance: Text | None = None
    blur: bool = False
    action: Action | None = None
    block_confidence: Annotated[float, Field(gt=0.5, le=1.0)] | None = None
    priority: Annotated[int, Field(ge=0, le=100)] = 0

    @model_validator(mode="after")
    def _check_action(self) -> "PolicyClass":
        if self.violation and self.action is None:
            raise ValueError("a violation class needs `action: review` or `action: block`")
        for name, value in {"action": self.action, "priority": self.priority}.items():
            if value and not self.violation:
                raise ValueError(f"a class with `violation: false` takes no `{name}`: remove it")
        if (self.action is Action.BLOCK) != (self.block_confidence is not None):
            raise ValueError(
                "`action: block` and `block_confidence` (over 0.5, up to 1) go together"
            )
        return self


class Prices(StrictModel):
    """Costs of moderation; for reports only, never part of a verdict."""

    manual_yuan_per_photo: Yuan
    machine_yuan_per_hour: Yuan


class Policy(StrictModel):
    """The policy; `classes` keeps the order of the file."""

    classes: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")], PolicyClass]
    pass_confidence: Annotated[float, Field(ge=0.5, le=1.0)]
    prices: Prices
    screens: Screens = Screens()
    spot_check: SpotCheck = SpotCheck()
    active_learning: ActiveLearning = ActiveLearning()
    retraining: Retraining = Retraining()
    reviewing: Reviewing = Reviewing()
    alerts: Alerts = Alerts()
    retention: Retention = Retention()

    @field_validator("classes")
    @classmethod
    def _check_kinds(cls, classes: dict[str, PolicyClass]) -> dict[str, PolicyClass]:
        if {c.violation for c in classes.values()} != {True, False}:
            raise ValueError("name at least one class that is a violation and one that is not")
        return classes

    @model_validator(mode="after")
    def _check_recall_floor(self) -> "Policy":
        unknown = sorted(set(self.retraining.gates.recall_floor) - set(self.classes))
        if unknown:
            raise ValueError(f"retraining.gates.recall_floor names no class: {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _check_raised_classes(self) -> "Policy":
        for name, signal in self.screens.signals.items():
            named = {output.violation for output in signal.raises.values()}
            if unknown := sorted(named - self.violations):
                place = f"screens.signals.{name}.raises"
                raise ValueError(f"{place}: no violation class is called {', '.join(unknown)}")
        return self

    @property
    def violations(self) -> frozenset[str]:
        """Names of the classes that are violations."""
        return frozenset(name for name, c in self.classes.items() if c.violation)

    @property
    def reuses_decisions(self) -> bool:
        """Whether an earlier reviewer decision on the same bytes takes the verdict's place."""
        return self.screens.duplicates.enabled and self.screens.duplicates.reuse_decisions

    @property
    def priority_weights(self) -> dict[str, float]:
        """Weight of each violation class's probability in a task's priority: 1 + its `priority`.

        The sum never falls when probability moves from another class to a violation class.
        """
        return {n: 1.0 + c.priority for n, c in self.classes.items() if c.violation}

    @property
    def version(self) -> str:
        """SHA-256 (hex) of everything that verdicts depend on; display texts are not part of it."""
        content: dict[str, Any] = {
            "pass_confidence": self.pass_confidence,
            "classes": {
                name: c.model_dump(mode="json", exclude=_DISPLAY_FIELDS)
                for name, c in sorted(self.classes.items())
            },
        }
        # Without screens, the version equals that of releases that had no screens.
        if self.screens.verdict_settings:
            content["screens"] = self.screens.verdict_settings
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def parse_stored_policy(content: object, *, owner: str) -> Policy:
    """The policy that was stored with a run; `owner` names the run.

    Raises:
        PolicyError: another version of this program stored it, and this one cannot read it.
    """
    try:
        return Policy.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"])) or "the policy"
        raise PolicyError(
            f"another version of this program stored the policy of {owner} ({key}: "
            f"{problem['msg']}); finish the run with that version, or start a new run"
        ) from error


def load_policy(path: Path) -> Policy:
    """Load and validate a policy file.

    Raises:
        PolicyError: unreadable, not YAML, an unknown key or an invalid value, with the fix.
    """
    missing = (
        f"no policy file at {path}; name one in MODERATION_POLICY_FILE, or restore "
        "config/policy.yaml"
    )
    return load_model(path, Policy, error=PolicyError, missing=missing)


def load_alerts(path: Path, stored: Policy) -> Alerts:
    """The section `alerts` of the file; of a run's stored policy where the file is invalid."""
    try:
        return load_policy(path).alerts
    except PolicyError:
        return stored.alerts
