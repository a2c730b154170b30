"""Does the service `/predict` answer and have a model?"""

import httpx

from ml.doctor.finding import Finding, failed, ok, skipped

TIMEOUT_SECONDS = 10.0


def predict(url: str | None) -> Finding:
    """Ask whether it lives and whether it is ready; needs no key."""
    if url is None:
        return skipped("not asked for (--predict-url)")
    for path, do in (
        ("/healthz", "start the service, or look at its log"),
        ("/readyz", "its answer and its log say what it waits for"),
    ):
        try:
            answer = httpx.get(f"{url.rstrip('/')}{path}", timeout=TIMEOUT_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return failed(f"{url}{path} does not answer: {error}", do=do)
        if not answer.is_success:
            return failed(f"{url}{path} answers {answer.status_code}: {answer.text[:200]}", do=do)
    return ok(f"{url}: alive and ready")
