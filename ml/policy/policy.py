"""The policy file: classes, cut-offs, actions and prices, checked when it is read."""

import hashlib
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ml.errors import PolicyError
from ml.policy.alerting import Alerts
from ml.policy.random_audit import RandomAudit
from ml.policy.retention import Retention
from ml.policy.retraining import Retraining
from ml.policy.reviewing import Reviewing
from ml.policy.screening import Screens

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Yuan = Annotated[float, Field(ge=0.0, le=1e6)]


_FOR_PEOPLE = {"title", "guidance", "blur", "priority"}  # of a class: changes no verdict


class Action(StrEnum):
    """What a violation class leads to."""

    REVIEW = "review"
    BLOCK = "block"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Title(_Strict):
    """The name of a class as reviewers read it."""

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)


class Text(_Strict):
    """A text for people in both languages."""

    en: str = Field(max_length=2000)
    zh: str = Field(max_length=2000)


class PolicyClass(_Strict):
    """One class of the model.

    `guidance` is what reviewers read beside a photo; `blur` shows photos that are likely of this
    class blurred until the reviewer asks.

    `block_confidence` is the least probability of this class at which a photo is blocked without a
    person; it goes with `action: block` and with nothing else.

    `priority` moves photos of a violation class up in the queue; see `Policy.priority_weights`.
    """

    violation: bool
    title: Title
    guidance: Text | None = None
    blur: bool = False
    action: Action | None = None
    block_confidence: Annotated[float, Field(gt=0.5, le=1.0)] | None = None
    priority: Annotated[int, Field(ge=0, le=100)] = 0

    @model_validator(mode="after")
    def _action_fits(self) -> "PolicyClass":
        if self.violation and self.action is None:
            raise ValueError("a violation class needs `action: review` or `action: block`")
        if not self.violation and self.action is not None:
            raise ValueError("a class with `violation: false` takes no `action`: remove it")
        if not self.violation and self.priority:
            raise ValueError("a class with `violation: false` takes no `priority`: remove it")
        if (self.action is Action.BLOCK) != (self.block_confidence is not None):
            raise ValueError(
                "`block_confidence` (over 0.5, up to 1) goes with `action: block` only"
            )
        return self


class Prices(_Strict):
    """What judging costs; for the report only, never part of a verdict."""

    manual_yuan_per_photo: Yuan
    machine_yuan_per_hour: Yuan


class Policy(_Strict):
    """The whole policy; `classes` keeps the order of the file."""

    classes: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")], PolicyClass]
    pass_confidence: Annotated[float, Field(ge=0.5, le=1.0)]
    prices: Prices
    screens: Screens = Screens()
    random_audit: RandomAudit = RandomAudit()
    retraining: Retraining = Retraining()
    reviewing: Reviewing = Reviewing()
    alerts: Alerts = Alerts()
    retention: Retention = Retention()

    @field_validator("classes")
    @classmethod
    def _both_kinds(cls, classes: dict[str, PolicyClass]) -> dict[str, PolicyClass]:
        if {c.violation for c in classes.values()} != {True, False}:
            raise ValueError("name at least one class that is a violation and one that is not")
        return classes

    @model_validator(mode="after")
    def _gates_name_classes(self) -> "Policy":
        unknown = sorted(set(self.retraining.gates.recall_floor) - set(self.classes))
        if unknown:
            raise ValueError(f"retraining.gates.recall_floor names no class: {', '.join(unknown)}")
        return self

    @property
    def violations(self) -> frozenset[str]:
        """Names of the classes that are violations."""
        return frozenset(name for name, c in self.classes.items() if c.violation)

    @property
    def priority_weights(self) -> dict[str, float]:
        """What each violation class's probability adds to a task's priority: 1 + its `priority`.

        A photo that is surely of one class so has that class's priority plus its violation score.
        The sum never falls when probability moves from a class that is no violation to one that is.
        """
        return {n: 1.0 + c.priority for n, c in self.classes.items() if c.violation}

    @property
    def version(self) -> str:
        """SHA-256 (hex) of all that a verdict depends on: what people read is not part of it."""
        decisive: dict[str, Any] = {
            "pass_confidence": self.pass_confidence,
            "classes": {
                name: c.model_dump(mode="json", exclude=_FOR_PEOPLE)
                for name, c in sorted(self.classes.items())
            },
        }
        if (
            self.screens.decisive
        ):  # without screens the version is what it was before there were any
            decisive["screens"] = self.screens.decisive
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def load_policy(path: Path) -> Policy:
    """Read and check a policy file.

    Raises:
        PolicyError: unreadable, not YAML, an unknown key or an impossible value; says which and how
            to put it right.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PolicyError(
            f"no policy file at {path}; name one in MODERATION_POLICY_FILE, "
            "or restore config/policy.yaml"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PolicyError(f"{path} cannot be read as YAML: {error}") from error
    try:
        return Policy.model_validate(raw)
    except ValidationError as error:
        raise PolicyError(
            f"{path} is not a valid policy; put right:\n{_problems(error)}"
        ) from error


def _problems(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"]) or "the file"
        hint = " (unknown key: remove it or mend its spelling)" * (
            problem["type"] == "extra_forbidden"
        )
        lines.append(f"- {place}: {problem['msg']}{hint}")
    return "\n".join(lines)
