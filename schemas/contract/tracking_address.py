"""The address of a tracking server."""

from urllib.parse import urlsplit


def tracking_uri(text: str) -> str:
    """The address of an MLflow server. ValueError unless it is http:// or https://, with a host and no password."""
    try:
        address = urlsplit(text)
        is_server = address.scheme in ("http", "https") and bool(address.hostname)
    except ValueError:
        is_server = False
    if not is_server:
        raise ValueError("must be the address of an MLflow server, http://HOST:PORT or https://HOST")
    if "@" in address.netloc:
        raise ValueError(
            "holds a user or a password, which would be stored; set MLFLOW_TRACKING_USERNAME and"
            " MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, instead"
        )
    return text
