"""The cases of a round: which systems, in which variants, at which size."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from benchmarks.peers.figures import ARTICLE, CEILING, OURS
from benchmarks.peers.job import Job
from ml.core.errors import SettingsError
from ml.core.settings import PREFIX

SCREENS_SUFFIX = ", screens"
NAMES = {"ray": "Ray Data", "daft": "Daft"}
PEERS = (ARTICLE, *NAMES)


@dataclass(frozen=True)
class Version:
    """A promoted model version: its hash, its local folder, and the side of its input in pixels."""

    model_hash: str
    folder: str
    crop: int


@dataclass(frozen=True)
class Case:
    """One job, the name of its row, and the settings of its process."""

    name: str
    version: Version
    job: Job
    environment: dict[str, str] = field(default_factory=dict)


def parse_variant(text: str) -> dict[str, str]:
    """Parse the settings of a variant of ours, `NAME=VALUE,NAME=VALUE`, into a child's environment.

    Raises:
        SettingsError: it is not of that form.
    """
    environment = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals or not name.startswith(PREFIX):
            raise SettingsError(f"{part!r} is not {PREFIX}NAME=VALUE")
        environment[name] = value
    return environment


@dataclass(frozen=True)
class Plan:
    """What every round measures."""

    systems: Sequence[str]
    screens: bool
    bf16: bool
    variants: Sequence[str] = ()

    def cases(self, version: Version, prefix: str, keys: list[str], article: int) -> list[Case]:
        """Return the cases at one size; the loop of the article has one size, `article` pixels."""
        cores = os.cpu_count() or 1
        ready = f"{version.folder}.ready"
        plain = Job("", prefix, keys, version.model_hash, version.folder, cores, ready)
        cases = []
        if ARTICLE in self.systems and version.crop == article:
            cases += [
                Case(
                    f"article's loop, {threads} thread{'s' * (threads > 1)}",
                    version,
                    _of(plain, ARTICLE, threads=threads),
                )
                for threads in sorted({1, cores})
            ]
        for system in (name for name in NAMES if name in self.systems):
            cases.append(Case(NAMES[system], version, _of(plain, system)))
            if self.bf16:
                name = f"{NAMES[system]}, bfloat16"
                cases.append(Case(name, version, _of(plain, system, bf16=True)))
        return cases + (self._ours(plain, version) if OURS in self.systems else [])

    def _ours(self, plain: Job, version: Version) -> list[Case]:
        cases = []
        for variant in ("", *self.variants):
            environment = parse_variant(variant) if variant else {}
            name = f"{OURS}, {variant}" if variant else OURS
            cases.append(Case(name, version, _of(plain, OURS), environment))
            if self.screens:
                with_screens = _of(plain, OURS, screens=True)
                cases.append(Case(name + SCREENS_SUFFIX, version, with_screens, environment))
            cases.append(Case(name, version, _of(plain, CEILING), environment))
        return cases


def _of(plain: Job, system: str, **changes: object) -> Job:
    return replace(plain, system=system, **changes)  # type: ignore[arg-type]  # fields of Job
