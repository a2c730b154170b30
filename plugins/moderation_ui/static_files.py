"""Styles and scripts: our own few files, and Plotly's script from its installed package."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from moderation_ui.refusals import Refused

router = APIRouter()
_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_CACHED = {"Cache-Control": "private, max-age=300"}


@router.get("/static/{name}")
def static_file(name: str) -> FileResponse:
    """One file of `static/`, by its plain name."""
    if name == "plotly.min.js":
        return FileResponse(_plotly(), media_type=_TYPES[".js"], headers=_CACHED)
    path = _FOLDER / name
    if path.parent != _FOLDER or path.suffix not in _TYPES or not path.is_file():
        raise Refused(404, "absent", "no such file")
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=_CACHED)


def _plotly() -> Path:
    import plotly

    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
