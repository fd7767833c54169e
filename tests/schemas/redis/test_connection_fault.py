"""Why no connection to a broker is made, as each kind of server answers it."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, RedisError

from schemas.redis.client import connect
from schemas.redis.connection_fault import broker_fault, is_lasting
from schemas.redis.writes import trouble
from tests.schemas.redis.test_tls import behind_tls, write_certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of the broker, on localhost."""
    return write_certificate(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that expired an hour ago."""
    return write_certificate(tmp_path_factory.mktemp("expired"), "localhost", valid_h=-1.0)


@pytest.fixture(scope="module")
def ports(server: str, certificate: Path, expired: Path) -> Iterator[dict[str, int]]:
    """Ports of the broker behind TLS: as it should be, with the expired certificate, and asking clients for one."""
    with (
        behind_tls(server, certificate) as tls,
        behind_tls(server, expired) as old,
        behind_tls(server, certificate, expired) as asks,
    ):
        yield {"tls": tls, "old": old, "asks": asks}


OWN = "rediss://:{{password}}@localhost:{{tls}}/0?ssl_ca_certs={{ca}}&ssl_certfile={{{}}}&ssl_keyfile={{{}}}"


def fault(url: str) -> str:
    """What a client of `url` is shown."""
    try:
        with connect(url, timeout_s=3.0) as redis:
            redis.ping()
    except RedisError as error:
        return broker_fault(error, url)
    return ""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:wrong@{plain}/0", "refuses the login (invalid username-password pair or user is disabled.); give"),
        ("redis://{plain}/0", "refuses the login"),
        ("redis://:{password}@{plain}/99999", "has no database of that number; give a lower one"),
        ("rediss://:{password}@localhost:{tls}/0", "; name the file of its authority: rediss://HOST:PORT/0?ssl_ca"),
        ("rediss://:{password}@localhost:{tls}/0?ssl_ca_certs={other}", "holds another authority: copy that of the br"),
        ("rediss://:{password}@localhost:{tls}/0?ssl_ca_certs={junk}", "names holds no certificate"),
        ("rediss://:{password}@localhost:{tls}/0?ssl_ca_certs=no.pem", "names no.pem, which cannot be read (No such f"),
        ("rediss://:{password}@127.0.0.1:{tls}/0?ssl_ca_certs={ca}", "; give the host that its certificate names"),
        ("rediss://:{password}@{plain}/0", "or give redis:// if this port has no TLS"),
        ("redis://:{password}@localhost:{tls}/0", "if this port has TLS, give rediss://"),
        ("redis://:{password}@127.0.0.1:1/0", "does not answer (Error 111 connecting to 127.0.0.1:1. Connection ref"),
        (
            "rediss://:{password}@localhost:{old}/0?ssl_ca_certs={expired}",
            "has expired (Error 1 connecting to localhost",
        ),
        (OWN.format("other", "ca"), "the key in ssl_keyfile of its URL is not that of the certificate in ssl_certfile"),
        (OWN.format("junk", "junk"), "name files that hold no certificate and its key"),
        (
            "rediss://:{password}@localhost:{asks}/0?ssl_ca_certs={ca}",
            "name one that its authority signed: ssl_certfile",
        ),
        ("rediss://:{password}@localhost:{tls}/0?ssl_ca_certs={ca}", ""),
    ],
)
def test_each_fault_has_its_remedy(
    server: str, ports: dict[str, int], certificate: Path, expired: Path, tmp_path: Path, url: str, expected: str
) -> None:
    """A login, a certificate, a port with TLS and one without; the password is in no message."""
    password, _, plain = urlsplit(server).netloc.rpartition("@")
    password = password.removeprefix(":")
    other, junk = write_certificate(tmp_path, "localhost"), tmp_path / "junk"
    files = {"ca": certificate, "other": other, "junk": junk, "expired": expired}
    junk.write_text("junk")
    shown = fault(url.format(plain=plain, password=password, **ports, **files))
    assert expected in shown and bool(expected) == bool(shown)
    assert password not in shown and "wrong" not in shown.replace("wrong_version", "").replace("wrong version", "")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:wrong@{plain}/0", True),
        ("rediss://{user}@localhost:{tls}/0", True),
        ("rediss://{user}@localhost:{tls}/0?ssl_ca_certs=no.pem", True),
        ("rediss://{user}@localhost:{tls}/0?ssl_ca_certs={ca}&ssl_certfile=/dev/null&ssl_keyfile=/dev/null", True),
        ("redis://{user}@127.0.0.1:1/0", False),
        ("redis://{user}@localhost:{tls}/0", False),
    ],
)
def test_what_waiting_does_not_help_is_known(
    server: str, ports: dict[str, int], certificate: Path, url: str, expected: bool
) -> None:
    """A login, a certificate and a file are as they are; a server may be starting."""
    user, _, plain = urlsplit(server).netloc.rpartition("@")
    url = url.format(plain=plain, user=user, ca=certificate, **ports)
    with connect(url, timeout_s=3.0) as redis, pytest.raises(RedisError) as caught:
        redis.ping()
    assert is_lasting(caught.value, url) is expected


def test_protected_mode_is_not_taken_for_a_server_that_is_down() -> None:
    """A server with an aclfile whose default user has no password refuses other hosts."""
    text = "DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the"
    shown = broker_fault(RedisConnectionError(f"{text} default user. In this mode ..."), "redis://10.0.0.1:6379/0")
    assert shown.endswith("then set protected-mode no in its configuration")
    assert "DENIED" not in shown


def test_a_login_that_is_missing_is_not_taken_for_a_right_that_is() -> None:
    """The default user of the project's aclfile may send PING alone."""
    error = NoPermissionError("this user has no permissions to run the 'set' command")
    assert "give a user and a password" in broker_fault(error, "rediss://10.0.0.1:6379/0?ssl_ca_certs=a%2Fb.pem")
    assert "`orchestrator acl` prints" in broker_fault(error, "rediss://me:pw@10.0.0.1:6379/0")


@pytest.mark.parametrize(
    ("alert", "expected"),
    [
        (
            "TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required",
            "wants a certificate of its clients",
        ),
        ("TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca", "refuses this client's certificate ("),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED] ssl/tls alert certificate expired", "refuses this client's certificate ("),
        ("TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version", "does not answer ("),
    ],
)
def test_what_a_server_answers_to_a_client_s_certificate(alert: str, expected: str) -> None:
    """The texts of OpenSSL for the alerts that a server sends; a run that waits is shown the same."""
    error = RedisConnectionError(f"Error while reading from h:1 : (1, '[SSL: {alert} (_ssl.c:2580)')")
    assert expected in broker_fault(error, "rediss://h:1/0") and trouble(error).startswith(expected)
