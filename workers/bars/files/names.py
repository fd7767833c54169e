"""What columns of bars are called: the names that every program knows, and those of other vendors and languages.

Names are compared as `plain_name` writes them. Of several that a header has, the first one here is taken.
"""

import re
from collections.abc import Mapping, Sequence

TIME_NAMES = (
    "timestamp", "datetime", "date", "time", "date/time", "date time", "date_time", "local time", "open time", "unix",
    "ts", "trade date", "trade_date", "trading date", "trading day", "exchange date", "datum", "fecha", "data",
    "日付", "日期", "交易日期", "날짜", "일자", "дата",
)  # fmt: skip
# Where no column has the name itself.
OTHER_NAMES: Mapping[str, Sequence[str]] = {
    "open": (
        "open price", "opening price", "px_open", "eröffnung", "eröffn.", "erster", "ouverture", "ouv.", "apertura",
        "abertura", "始値", "开盘", "开盘价", "시가", "открытие", "откр.",
    ),
    "high": (
        "high price", "px_high", "hoch", "haut", "plus haut", "+ haut", "máximo", "máx.", "maximo", "massimo", "max.",
        "máxima", "高値", "最高", "最高价", "고가", "максимум", "макс.",
    ),
    "low": (
        "low price", "px_low", "tief", "bas", "plus bas", "+ bas", "mínimo", "mín.", "minimo", "min.",
        "mínima", "安値", "最低", "最低价", "저가", "минимум", "мин.",
    ),
    "close": (
        "close price", "closing price", "px_last", "px_close", "last price", "last", "schluss", "schlusskurs",
        "zuletzt", "clôture", "cloture", "fermeture", "dernier", "cierre", "último", "ultimo", "fechamento",
        "chiusura", "終値", "收盘", "收盘价", "종가", "закрытие", "цена",
    ),
    "volume": (
        "vol.", "px_volume", "traded quantity", "total traded quantity", "total trade quantity", "traded volume",
        "total volume", "stücke", "stuecke", "stück", "volumen", "出来高", "成交量", "거래량", "объём",
        "объем",
    ),
}  # fmt: skip

# A unit of prices after a name, as in `Open Price (INR)`.
_UNIT = re.compile(r" ?\([a-z$€£₹¥]{1,3}\.?\)$")


def other_name(name: str, plain: Sequence[str]) -> str | None:
    """What a header of these plain names calls the column `name`; None if it has no such column."""
    without_units = {_UNIT.sub("", each): each for each in plain} if name != "volume" else {}
    known = {each: each for each in plain}
    found = (known.get(each) or without_units.get(each) for each in (name, *OTHER_NAMES[name]))
    return next((each for each in found if each is not None), None)
