"""A bucket policy that ends at prefixes, as a fault of the proxy before SeaweedFS."""

from urllib.parse import parse_qs, urlsplit

from tests.support.faulty_proxy import Answer, Fault, s3_error


def allowed_under(*prefixes: str) -> Fault:
    """Refuse each key, and each listing, that is not under one of the prefixes."""

    def refuse_others(_: str, path: str) -> Answer | None:
        address = urlsplit(path)
        _, _, key = address.path[1:].partition("/")
        query = parse_qs(address.query, keep_blank_values=True)
        asked = query.get("prefix", [""])[0] if "list-type" in query else key
        return None if asked.startswith(prefixes) else s3_error(403, "AccessDenied")

    return refuse_others
