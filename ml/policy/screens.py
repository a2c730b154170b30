"""Policy section `screens`: the checks that run in addition to the model, and their actions."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from ml.core.types import Sha256
from ml.core.yaml_file import StrictModel

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Patterns = tuple[re.Pattern[str], ...]

Overlay = Literal["promotion", "watermark", "review_for_cash"]
PHONE_REGIONS = (
    *("CN", "HK", "TW", "US", "GB", "DE", "FR", "ES", "IT", "NL", "PL", "RU", "TR", "JP", "KR"),
    *("TH", "VN", "ID", "MY", "IN", "AE", "BR", "MX", "AU", "PH"),
)

MODEL_SCREENS = ("copies", "similar_decisions", "unfamiliar")  # in a verdict's order of reasons
SIGNAL = "signal"  # screens of signals are called `signal:<name>`, reasons `signal:<name>:<output>`
MAX_SIGNALS = 8


class ScreenAction(StrEnum):
    """What happens when a screen fires. No action approves a photo."""

    REVIEW = "review"
    EVIDENCE = "evidence"  # only recorded


class Screen(StrictModel):
    """Settings that all screens share."""

    enabled: bool = False
    action: ScreenAction = ScreenAction.REVIEW
    allow_when_failed: bool = False  # whether a photo may pass on which the screen failed


class Sharpness(Screen):
    """Blurred photos; `threshold` as in `ml.vision.screens.sharpness.THRESHOLD`."""

    threshold: Annotated[float, Field(ge=0.0, le=1e5)] = 29.0


class Codes(Screen):
    """QR and other codes; payloads that fully match one of `allowed` are the shop's own."""

    allowed: Patterns = ()
    second_pass: Literal["on_detection", "always", "never"] = "on_detection"  # noqa: S105 - an enum value, not a password


class TextScreen(Screen):
    """Text; `ml.vision.screens.text.screen` explains the limits.

    `budget_share` is the share of a run's processor time that OCR may use, on photos that would
    pass. `overlays`: the kinds of advertising without a contact detail that fire, see
    `ml.vision.screens.text.overlays`.
    `phone_regions`: countries (ISO 3166, two letters) as whose national numbers a number counts
    that has no keyword and no +; see `ml.vision.screens.text.phone_numbers`.
    """

    budget_share: Share = 0.15
    allow_when_skipped: bool = True  # whether a photo may pass that the budget left unread
    min_text_likelihood: Share = 0.3
    max_text_area: Annotated[float, Field(gt=0.0, le=1.0)] = 0.15
    max_text_characters: Annotated[int, Field(ge=1)] = 100
    max_lines: Annotated[int, Field(ge=1, le=200)] = 16
    overlays: tuple[Overlay, ...] = ("promotion", "watermark", "review_for_cash")
    phone_regions: Annotated[tuple[str, ...], Field(max_length=60)] = PHONE_REGIONS
    allowed: Patterns = ()

    @field_validator("phone_regions")
    @classmethod
    def _know_regions(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415 - pages load policies, too

        unknown = [region for region in regions if region not in SUPPORTED_REGIONS]
        if unknown:
            raise ValueError(f"no country of ISO 3166: {', '.join(unknown)}; write US, GB, CN ...")
        return regions


class Duplicates(Screen):
    """Photos that reviewers decided on before."""

    distance: Annotated[int, Field(ge=0, le=31)] = 31  # maximum of a near duplicate, in bits
    reuse_decisions: bool = True  # those on the very same bytes replace the model's


class ModelScreen(StrictModel):
    """A check by the features of the photo that the model computes, on photos that it scored.

    Without decided photos to compare with, or where the model has no rule for it, it does not run.
    """

    enabled: bool = False


class RaisedOutput(StrictModel):
    """An output of a signal: from `threshold` on, a photo is likely of a violation class."""

    model_config = ConfigDict(
        validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    violation: str = Field(alias="class")
    threshold: Annotated[float, Field(gt=0.0, le=1.0)]


class Signal(Screen):
    """A model of others that is installed here; `model` is the hash of its card.

    `raises` names outputs as the card does. The others have no effect.
    """

    enabled: bool = True
    model: Sha256
    raises: Annotated[
        dict[Annotated[str, Field(pattern=r"^[^\W_][\w .&/()+-]{0,59}$")], RaisedOutput],
        Field(min_length=1, max_length=100),
    ]


class Screens(StrictModel):
    """Policy section `screens`; `long_side` is the size in pixels at which screens see a photo.

    At 800 most phone photos decode at a reduced scale, which halves the cost of all screens but
    text, and may leave 704 pixels. A QR code of 29 modules then needs 7 to 8 % of the long side; at
    1280, about 4 to 5 %.
    """

    long_side: Annotated[int, Field(ge=640, le=4096)] = 800
    sharpness: Sharpness = Sharpness()
    codes: Codes = Codes()
    text: TextScreen = TextScreen()
    duplicates: Duplicates = Duplicates()
    copies: ModelScreen = ModelScreen()  # edited copies of blocked photos
    similar_decisions: ModelScreen = ModelScreen()  # most similar decided photos are violations
    unfamiliar: ModelScreen = ModelScreen()  # unlike all photos that reviewers decided on
    signals: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")], Signal],
        Field(max_length=MAX_SIGNALS),
    ] = Field(default_factory=dict)  # models of others, by a name that the shop chooses

    def enabled(self) -> Iterator[tuple[str, Screen]]:
        """The enabled screens by name; the one that weighs most in a verdict comes first."""
        screens: dict[str, Screen] = {"duplicates": self.duplicates, **self.enabled_signals}
        screens |= {"codes": self.codes, "text": self.text, "sharpness": self.sharpness}
        yield from ((name, screen) for name, screen in screens.items() if screen.enabled)

    @property
    def enabled_signals(self) -> dict[str, Signal]:
        """The enabled signals by the name of their screen."""
        return {f"{SIGNAL}:{name}": s for name, s in self.signals.items() if s.enabled}

    @property
    def signal_reasons(self) -> dict[str, str]:
        """The violation class of each reason that an enabled signal gives."""
        return {
            f"{name}:{output}": raised.violation
            for name, signal in self.enabled_signals.items()
            for output, raised in signal.raises.items()
        }

    @property
    def picture_side(self) -> int | None:
        """Pixels of the long side that screens need decoded; None if the model's size suffices."""
        needs_pixels = self.sharpness.enabled or self.codes.enabled or self.text.enabled
        return self.long_side if needs_pixels or self.enabled_signals else None

    @property
    def verdict_settings(self) -> dict[str, Any]:
        """Everything here that verdicts depend on; empty if no screen is enabled."""
        enabled: dict[str, Any] = {n: s.model_dump(mode="json") for n, s in self.enabled()}
        if enabled:
            enabled["long_side"] = self.long_side
        return enabled | dict.fromkeys(self.of_model, True)

    @property
    def of_model(self) -> tuple[str, ...]:
        """The enabled screens that the model's features decide, by name."""
        return tuple(name for name in MODEL_SCREENS if getattr(self, name).enabled)
