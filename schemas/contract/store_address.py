"""The URL of the store that the hosts of a fleet share."""

import posixpath
from urllib.parse import urlsplit

STORE_ENV = "GURUKUL_STORE"
SCHEMES = ("s3", "gs", "az", "file")


def store_url(value: str) -> str:
    """The URL of a store as it is stored and compared: without a final slash. ValueError if it is none."""
    parts = urlsplit(value)
    if parts.scheme not in SCHEMES or not (parts.netloc or parts.scheme == "file"):
        raise ValueError(f"{value!r} is not the URL of a store; write s3://BUCKET/PREFIX, gs://, az:// or file:///DIR")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("the URL of a store holds no credentials and no options; set them in the environment")
    if posixpath.normpath(parts.path).rstrip("/") != parts.path.rstrip("/") and parts.path.strip("/"):
        raise ValueError(f"{value!r} holds // or .. in its path; write it without")
    return value.rstrip("/")
