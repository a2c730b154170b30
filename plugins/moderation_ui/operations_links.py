"""Addresses of the operations pages: every part of them encoded."""

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from moderation_ui.access import AUDIT_DAG


@dataclass(frozen=True)
class Links:
    """Addresses under the app's prefix, for one night."""

    base: str
    run_id: str

    def night(self, run_id: str | None = None) -> str:
        """The page of a night; of this one unless another is named."""
        return f"{self.base}/operations?{urlencode({'run': run_id or self.run_id})}"

    def photos(self, **wanted: str | None) -> str:
        """The photos of this night that fit `outcome`, `decision`, `reason`, from `after` on."""
        asked = {"run": self.run_id} | {k: v for k, v in wanted.items() if v is not None}
        return f"{self.base}/operations/photos?{urlencode(asked)}"

    def photo(self, object_key: str) -> str:
        """The story of one photo."""
        return f"{self.base}/operations/photo?{urlencode({'key': object_key})}"

    def bytes_of(self, content_sha256: str, *, side: int = 320) -> str:
        """The photo itself, made small."""
        return f"{self.base}/photos/{quote(content_sha256, safe='')}?side={side}"

    def airflow(self) -> str:
        """The run's page in Airflow, as text: a frame cannot lead the window there."""
        return f"/dags/{AUDIT_DAG}/runs/{quote(self.run_id, safe='')}"
