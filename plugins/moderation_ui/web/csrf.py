"""Writes come from our own pages only.

Airflow's session is a cookie, and a cookie travels with requests that other sites make. A write
therefore needs a signed token that our pages carry and other sites cannot read, and no sign that
the browser sent it for another site.
"""

from airflow.configuration import conf
from fastapi import Request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from moderation_ui.web.access import UserName
from moderation_ui.web.errors import ApiError

HEADER = "x-moderation-token"
MAX_AGE_SECONDS = 24 * 3600
_READS = {"GET", "HEAD", "OPTIONS"}


def token_for(user: str) -> str:
    """The token of a user's pages."""
    return _signer().dumps(user)


def check_same_origin(request: Request, user: UserName) -> None:
    """Refuse a write from elsewhere, or with a token of somebody else."""
    if request.method in _READS:
        return
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ApiError(403, "cross_site", "this request comes from another site")
    try:
        owner = _signer().loads(request.headers.get(HEADER, ""), max_age=MAX_AGE_SECONDS)
    except BadSignature as error:
        raise ApiError(403, "token", "the page is too old: load it again") from error
    if owner != user:
        raise ApiError(403, "token", "the page was loaded by another user: load it again")


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(conf.get_mandatory_value("api", "secret_key"), salt="moderation")
