"""Parsers of addresses, names and short values that people type or other programs send."""

from collections.abc import Callable
from pathlib import Path

from schemas.config.sources import split_source
from schemas.contract.broker_address import BrokerAddress, public_url
from schemas.contract.device import parse_devices
from schemas.contract.identifiers import check_run_id, check_symbol, usable_symbol
from schemas.contract.plugin_source import split_paths
from schemas.contract.store_address import store_url
from tests.fuzz.parser import Parser

BROKERS = (
    b"redis://user:p%40ss@host:6379/0",
    b"rediss://:secret@[::1]:6380/1?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required&ssl_check_hostname=true",
    b"redis+sentinel://u:p@a:26379,b,[::2]:26380/2?service=mymaster",
    b"unix://u:p@/run/redis.sock?db=3",
)
STORES = (b"s3://bucket/prefix", b"gs://bucket", b"az://container/a/b/", b"file:///shared/folder")


def _of_text(parse: Callable[[str], object]) -> Callable[[bytes, Path], object]:
    return lambda content, folder: parse(content.decode("utf-8", "surrogateescape"))


def _broker(text: str) -> None:
    """An accepted URL is written as one that means the same, and without a secret where it is shown."""
    public_url(text)
    address = BrokerAddress.parse(text)
    assert BrokerAddress.parse(address.url()) == address
    if (
        address.password
        and len(address.password) > 3
        and address.password not in f"{address.host}{address.path}{address.service}{address.sentinels}{address.tls}"
    ):
        assert address.password not in address.without_secrets()
    address.celery_settings(), address.redis_options()


def _store(text: str) -> None:
    assert store_url(store_url(text)) == store_url(text)


def _names(text: str) -> None:
    """Each name alone: whether it may be a symbol, a run, a list of devices or a source."""
    assert not (found := usable_symbol(text)) or check_symbol(found) == found
    split_paths(text)
    for parse in (check_symbol, check_run_id, parse_devices, split_source):
        try:
            parse(text)
        except ValueError:
            continue


PARSERS = {
    "broker_url": Parser(_of_text(_broker), lambda: BROKERS, refusals=(ValueError,)),
    "store_url": Parser(_of_text(_store), lambda: STORES, refusals=(ValueError,)),
    "names": Parser(
        _of_text(_names),
        lambda: [b"M&M", b"^GSPC", b"run-1.2_x", b"gpu:0,1", b"cpu:2x4", b"csv:bars/x", b"breeze", b"a.py, b.py"],
    ),
}
