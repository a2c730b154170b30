"""Section `screens` of the policy: which checks run beside the model, and what follows."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Patterns = tuple[re.Pattern[str], ...]


class ScreenAction(StrEnum):
    """What a screen that fires leads to. There is none that approves."""

    REVIEW = "review"
    EVIDENCE = "evidence"


class _Screen(BaseModel):
    """What all screens have.

    `enabled` false, or a section left out: the screen does not run. `action`: `review` sends a
    photo on which it fires to a person, `evidence` only keeps what was found. `unknown_may_pass`:
    whether a photo may pass on which the screen failed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = False
    action: ScreenAction = ScreenAction.REVIEW
    unknown_may_pass: bool = False


class Sharpness(_Screen):
    """Blurred photos; `cut_off` as in `ml.screens.sharpness.CUT_OFF`."""

    cut_off: Annotated[float, Field(ge=0.0, le=1e5)] = 29.0


class Codes(_Screen):
    """QR and other codes; a payload that wholly matches one of `allowed` is the shop's own."""

    allowed: Patterns = ()
    second_pass: Literal["hinted", "always", "never"] = "hinted"  # noqa: S105 - a look, no word


class TextScreen(_Screen):
    """Text; the figures are explained in `ml.screens.text.TextRules`.

    `budget_share` is the share of the decode threads' time (threads times a shard's wall clock)
    that may go into reading, as processor time; `not_run_may_pass` whether a photo may pass that
    was not read for want of it.
    `overlays`: which advertising without a contact detail fires, see `ml.screens.overlays`.
    """

    budget_share: Share = 0.15
    not_run_may_pass: bool = True
    gate: Share = 0.1
    dominated_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.15
    dominated_characters: Annotated[int, Field(ge=1)] = 100
    most_lines: Annotated[int, Field(ge=1, le=200)] = 16
    overlays: tuple[Literal["promotion", "watermark"], ...] = ("promotion", "watermark")
    allowed: Patterns = ()


class Duplicates(_Screen):
    """Photos that people decided on before.

    `distance` is the most bits of a near duplicate; `reuse_decisions`: the decision on the very
    same bytes holds again, instead of the model's.
    """

    distance: Annotated[int, Field(ge=0, le=31)] = 31
    reuse_decisions: bool = True


class Screens(BaseModel):
    """The section itself; `long_side` is the size in pixels that the screens look at.

    At 800 most phone photos decode at a reduced scale, which saves half of what the screens beside
    text cost; a QR code of 29 modules then needs some 7 % of the long side, at 1280 some 4 %.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    long_side: Annotated[int, Field(ge=640, le=4096)] = 800
    sharpness: Sharpness = Sharpness()
    codes: Codes = Codes()
    text: TextScreen = TextScreen()
    duplicates: Duplicates = Duplicates()

    def enabled(self) -> Iterator[tuple[str, _Screen]]:
        """The screens that run, by name; what weighs most in a verdict comes first."""
        screens: tuple[tuple[str, _Screen], ...] = (
            ("duplicates", self.duplicates),
            ("codes", self.codes),
            ("text", self.text),
            ("sharpness", self.sharpness),
        )
        return ((name, screen) for name, screen in screens if screen.enabled)

    @property
    def picture_side(self) -> int | None:
        """Pixels of the long side that a photo must be decoded at; None: what the model needs."""
        looks = self.sharpness.enabled or self.codes.enabled or self.text.enabled
        return self.long_side if looks else None

    @property
    def decisive(self) -> dict[str, Any]:
        """All that a verdict depends on; empty where nothing runs."""
        found: dict[str, Any] = {n: s.model_dump(mode="json") for n, s in self.enabled()}
        return {**found, "long_side": self.long_side} if found else {}
