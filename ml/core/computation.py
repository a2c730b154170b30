"""How a run computes scores: backend, number type and variant of the model version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self, cast

Backend = Literal["torch", "openvino"]
NumberType = Literal["float32", "bfloat16", "int8"]


@dataclass(frozen=True)
class Computation:
    """A way to compute a version's scores, the same for a whole run.

    `variant` is the hash of the quantized variant of the version; None: its own weights.
    """

    backend: Backend
    number_type: NumberType
    variant: str | None = None

    def __str__(self) -> str:
        return f"{self.backend} {self.number_type}"

    @classmethod
    def from_names(cls, names: Mapping[str, str | None]) -> Self | None:
        """The computation of a database row or of a verdict's runtime; None: it has none."""
        backend, number_type = names.get("backend"), names.get("number_type")
        if backend is None or number_type is None:
            return None
        return cls(cast("Backend", backend), cast("NumberType", number_type), names.get("variant"))

    @property
    def names(self) -> dict[str, str]:
        """What `from_names` reads."""
        names = {"backend": str(self.backend), "number_type": str(self.number_type)}
        return names | ({"variant": self.variant} if self.variant else {})


# What every other computation is compared with.
REFERENCE = Computation("torch", "float32")
