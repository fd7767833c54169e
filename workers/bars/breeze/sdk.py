"""The `breeze-connect` SDK, contained: it downloads, writes logs and changes sys.path when imported, and hides errors.

It is therefore run with stand-ins for whatever reaches outside, and nothing of it gets into `sys.modules`.
"""

import builtins
import csv
import importlib.util
import io
import logging
import types
import warnings
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from schemas.contract.errors import GurukulError, RequestError
from schemas.contract.identifiers import redact
from workers.bars.breeze.credentials import Credentials, Scrubber
from workers.bars.breeze.http import LOGIN, Past, ServerError, Transport

URL_ENV = "GURUKUL_BREEZE_URL"
HISTORY, MASTER = "historicalcharts", "SecurityMaster.zip"
NSE_MASTER = "NSEScripMaster.txt"
URLS = ("API_URL", "BREEZE_NEW_URL", "SECURITY_MASTER_URL", "STOCK_SCRIPT_CSV_URL")
EQUITY = "EQ"

T = TypeVar("T")


class Client:
    """One login to Breeze. Every method raises AuthError, Refused, RateLimited or ServerError for what went wrong."""

    def __init__(self, credentials: Credentials, url: str = "") -> None:
        self._credentials = credentials
        self._scrub = Scrubber([credentials.api_key, credentials.api_secret, credentials.session_token])
        self._transport = Transport(self._scrub, credentials.origin)
        self._sdk = load(self._transport, url)
        self._breeze: Any = None
        self._codes: dict[str, str] | None = None

    @property
    def logged_in(self) -> bool:
        return self._breeze is not None

    def session(self) -> None:
        """Log in; once is enough for all further requests."""
        breeze = self._sdk.BreezeConnect(self._credentials.api_key)
        # Three downloads of a table that only live streams need.
        breeze.get_stock_script_list = lambda: None
        secret, token = self._credentials.api_secret, self._credentials.session_token
        self._call(LOGIN, lambda: breeze.generate_session(api_secret=secret, session_token=token))
        self._scrub.learn(breeze.session_key, breeze.api_handler.base64_session_token)
        self._breeze = breeze

    def codes(self) -> dict[str, str]:
        """ISEC code by NSE code, from the security master; downloaded once, without a login."""
        if self._codes is None:
            content = self._transport.download(self._sdk.config.SECURITY_MASTER_URL)
            try:
                self._codes = parse_master(content)
            except (zipfile.BadZipFile, KeyError, ValueError, csv.Error) as error:
                what = f"cannot be read ({type(error).__name__}: {error})"
                raise self._transport.error(ServerError, MASTER, what) from None
        return self._codes

    def candles(self, isec: str, interval: str, start: datetime, end: datetime) -> list[dict[str, str | None]]:
        """The candles from `start` to `end`, both included and in the exchange's local time; [] if there are none.

        Needs a session.
        """
        reply = self._call(
            HISTORY,
            lambda: self._breeze.get_historical_data_v2(
                interval=interval,
                from_date=_stamp(start),
                to_date=_stamp(end),
                stock_code=isec,
                exchange_code="NSE",
                product_type="cash",
            ),
        )
        rows = reply.get("Success") or []
        if not isinstance(rows, list):
            raise self._transport.error(ServerError, HISTORY, f"Success is a {type(rows).__name__}, not a list")
        return [self._scrub.within(row if isinstance(row, dict) else {"datetime": row}) for row in rows]

    def _call(self, name: str, call: Callable[[], T]) -> T:
        """What the SDK returns; its errors are raised anew, without a chain to texts that may hold secrets."""
        failed: GurukulError
        try:
            return call()
        except Past as past:
            failed = past.error
        except Exception as error:
            failed = self._transport.error(ServerError, name, f"a reply of unknown shape ({type(error).__name__})")
        raise failed


def load(transport: Transport, url: str) -> types.ModuleType:
    """The SDK's main module, its requests made by `transport`, to `url` unless that is empty.

    RequestError if the SDK is not installed, or not as it is known.
    """
    spec = importlib.util.find_spec("breeze_connect")
    if spec is None or not spec.submodule_search_locations:
        raise RequestError("--source breeze needs the breeze-connect SDK; run: pip install 'gurukul[breeze]'")
    folder = Path(spec.submodule_search_locations[0])
    config = _run(folder / "config.py", {})
    _redirect(config, url)
    try:
        return _run(folder / "breeze_connect.py", _stand_ins(transport, config))
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise RequestError(f"breeze-connect cannot be loaded ({why}); install the one of gurukul[breeze]") from None


def parse_master(content: bytes) -> dict[str, str]:
    """ISEC code by NSE code from the zipped security master; of several series the equity counts."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        text = archive.read(NSE_MASTER).decode("utf-8", errors="replace")
    codes: dict[str, str] = {}
    for row in csv.DictReader(io.StringIO(text), skipinitialspace=True):
        nse, isec = (row["ExchangeCode"] or "").strip(), (row["ShortName"] or "").strip()
        if nse and isec and (nse not in codes or (row.get("Series") or "").strip() == EQUITY):
            codes[nse] = isec
    if not codes:
        raise ValueError(f"{NSE_MASTER} holds no code")
    return codes


def _redirect(config: types.ModuleType, base: str) -> None:
    """Point the SDK's addresses at `base`, their paths kept."""
    if not base:
        return
    if urlsplit(base).scheme not in ("http", "https"):
        raise RequestError(f"{URL_ENV} is {redact(base)!r}, not an http:// or https:// address; mend or unset it")
    for name in URLS:
        setattr(config, name, base.rstrip("/") + urlsplit(getattr(config, name)).path)


def _stand_ins(transport: Transport, config: types.ModuleType) -> dict[str, object]:
    """What the SDK gets when it imports these names. The last two are slow to import and not needed for candles.

    `requests.packages` is the real one: the SDK turns IPv6 off there, as Breeze wants it.
    """
    import requests

    space = types.SimpleNamespace
    log = logging.Logger("breeze-connect")
    log.disabled = True
    levels = {name: getattr(logging, name) for name in ("DEBUG", "INFO", "ERROR")}
    none = logging.NullHandler()
    return {
        "config": config,
        "requests": space(get=transport.get, packages=requests.packages),
        "urllib.request": space(urlopen=lambda _: io.BytesIO(_empty_zip())),
        "os": space(path=space(abspath=lambda _: "", dirname=lambda _: "", exists=lambda _: True)),
        "sys": space(path=[]),
        "logging": space(getLogger=lambda _: log, FileHandler=lambda _: none, Formatter=logging.Formatter, **levels),
        "pandas": space(),
        "socketio": space(ClientNamespace=object),
    }


def _run(path: Path, stand_ins: Mapping[str, object]) -> types.ModuleType:
    """Execute a module by itself; its imports of `stand_ins` yield those, and it prints nothing."""

    def import_(name: str, *arguments: Any, **keywords: Any) -> Any:
        return stand_ins[name] if name in stand_ins else __import__(name, *arguments, **keywords)

    module = types.ModuleType(f"contained_{path.stem}")
    module.__file__ = str(path)
    vars(module)["__builtins__"] = {**vars(builtins), "__import__": import_, "print": lambda *_, **__: None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code: Any = SourceFileLoader(module.__name__, str(path)).get_code(module.__name__)
        exec(code, vars(module))
    return module


def _empty_zip() -> bytes:
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    return empty.getvalue()


def _stamp(moment: datetime) -> str:
    """As Breeze writes times in requests: the exchange's local time, with a Z that means nothing."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"
