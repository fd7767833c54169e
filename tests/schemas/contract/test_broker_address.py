"""A broker's address: parts, secrets, and the options of each client."""

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.url import url_to_parts

from schemas.contract.broker_address import BrokerAddress, public_url

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=20)


@given(SECRETS, SECRETS)
def test_an_encoded_password_reaches_every_client_and_no_screen(user: str, password: str) -> None:
    """redis-py and Celery receive the same host, account and database; the shown URL holds neither of the two."""
    url = f"redis://{quote(user, safe='')}:{quote(password, safe='')}@broker.example:6380/2"
    address = BrokerAddress.parse(url)
    account = {"username": user, "password": password}
    assert address.redis_options() == {"host": "broker.example", "port": 6380, "db": 2} | account
    celery = url_to_parts(address.celery_settings()["broker_url"])
    assert celery == ("redis", "broker.example", 6380, user, password, "2", {})
    assert public_url(url) == address.without_secrets() == "redis://broker.example:6380/2"
    assert password not in repr(address) or password in repr(BrokerAddress("broker.example", 6380, 2, user))


@pytest.mark.parametrize("place", ["", "me"])
@pytest.mark.parametrize("character", "#@/?[]")
def test_a_password_with_a_bare_character_of_urls_is_refused_with_its_code(character: str, place: str) -> None:
    """The message names the code to write, and repeats nothing of the URL; nor does the shown URL."""
    url = f"redis://{place}:s3cr{character}et77@127.0.0.1:7101/0"
    with pytest.raises(ValueError, match=f"{character} as %".replace("?", r"\?").replace("[", r"\[")) as caught:
        BrokerAddress.parse(url)
    assert not {part for part in ("s3cr", "et77", "7101") if part in str(caught.value) or part in public_url(url)}


@given(SECRETS, SECRETS, st.sampled_from(["redis+sentinel", "rediss+sentinel"]))
def test_sentinels_are_hosts_that_know_a_service(user: str, password: str, scheme: str) -> None:
    """Each has the port of Sentinels unless it has another; the stored URL holds all but user and password."""
    account = f"{quote(user, safe='')}:{quote(password, safe='')}@"
    address = BrokerAddress.parse(f"{scheme}://{account}one,[::2]:7000/3?service=main")
    assert address.place_options() == {"sentinels": (("one", 26379), ("::2", 7000)), "service": "main"}
    options = address.redis_options()
    assert (options["db"], options["username"], options["password"]) == (3, user, password)
    assert address.without_secrets() == f"{scheme}://one:26379,[::2]:7000/3?service=main"
    assert BrokerAddress.parse(address.url()) == address


@given(SECRETS, SECRETS)
def test_a_socket_file_has_a_path_and_a_database(user: str, password: str) -> None:
    """Its account stands before the path."""
    url = f"unix://{quote(user, safe='')}:{quote(password, safe='')}@/run/a%20b.sock?db=3"
    address = BrokerAddress.parse(url)
    assert address.redis_options() == {"path": "/run/a b.sock", "db": 3, "username": user, "password": password}
    assert (address.url(), address.without_secrets()) == (url, "unix:///run/a%20b.sock?db=3")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://h:7101/0?password=s3cret", "has a user or password after ?"),
        ("rediss://h:7101/0?ssl_cert_reqs=none&username=s3cret", "has a user or password after ?"),
        ("redis://h:7101/0?protocol=2", "only rediss:// takes"),
        ("redis://h:7101/0?ssl_cert_reqs=none", "only rediss:// takes"),
        ("rediss://h:7101/0?s3cret=1", "an unknown option"),
        ("rediss://h:7101/0?ssl_cert_reqs=s3cret", "an unknown ssl_cert_reqs"),
        ("rediss://h:7101/0?ssl_check_hostname=s3cret", "an unknown ssl_check_hostname"),
        ("redis://h:7101/s3cret", "names no database"),
        ("redis://:s3cret", "cannot be read as a URL"),
        ("redis://h:s3cret/0", "cannot be read as a URL"),
        ("s3cret@h:7101", "must start with redis://"),
        ("http://:s3cret@h:7101", "must start with redis://"),
        ("valkeys://:s3cret@h:7101/0", "must start with rediss://"),
        ("sentinel://:s3cret@h:26379/0", "names a Sentinel: write redis+sentinel://"),
        ("redis+sentinel://:s3cret@h:26379/s3cret/0", "names no database"),
        ("redis+sentinel://:s3cret@h:26379/0", "names no service of its Sentinels: add ?service=NAME"),
        ("redis+sentinel://:s3cret@h:26379/0?service=m&s3cret=1", "only rediss:// takes"),
        ("redis://h:1,i:2/0", "names several servers"),
        ("unix://h/run/s3cret.sock", "names a socket file: write unix://"),
        ("redis://:s3cret@h:1/0;redis://:s3cret@i:2/0", "names several servers"),
        ("redis://:s3cret@h:1/0,redis://:s3cret@i:2/0", "names several servers"),
        ("unix:///run/s3cret.sock?db=s3cret", "names no database"),
        ("redis+socket:///run/s3cret.sock", "names a socket file: write unix://"),
        ("redis+cluster://:s3cret@h:7101", "names a cluster"),
    ],
)
def test_a_url_that_a_client_would_misread_is_refused_without_its_text(url: str, why: str) -> None:
    """Options that one client reads and another passes over are refused, a malformed URL as well."""
    with pytest.raises(ValueError, match=re.escape(why)) as caught:
        BrokerAddress.parse(url)
    assert "s3cret" not in str(caught.value) + public_url(url)


def test_tls_is_verified_unless_the_url_says_otherwise() -> None:
    """redis-py and Celery receive the same options, and the stored URL keeps them."""
    verified = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    plain = BrokerAddress.parse("rediss://:pw@h")
    assert plain.celery_settings() == {"broker_url": "rediss://:pw@h:6379/0", "broker_use_ssl": verified}
    assert plain.redis_options().items() >= verified.items()
    assert plain.without_secrets() == "rediss://h:6379/0"
    own = BrokerAddress.parse("rediss://:pw@h:1/0?ssl_ca_certs=/etc/ca.pem&ssl_cert_reqs=CERT_REQUIRED")
    assert own.celery_settings()["broker_use_ssl"] == verified | {"ssl_ca_certs": "/etc/ca.pem"}
    assert BrokerAddress.parse(own.without_secrets()).tls == own.tls
    unverified = BrokerAddress.parse("rediss://h:1/0?ssl_cert_reqs=none")
    assert unverified.celery_settings()["broker_use_ssl"] == {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    assert BrokerAddress.parse(unverified.without_secrets()) == unverified


@given(st.text(max_size=60), st.sampled_from(["", "redis://", "rediss://", "redis://:"]))
def test_any_text_is_an_address_or_a_value_error(text: str, scheme: str) -> None:
    """What parses, parses to the same address again."""
    try:
        address = BrokerAddress.parse(scheme + text)
    except ValueError:
        return
    assert BrokerAddress.parse(address.url()).redis_options()["password"] == address.password
